"""What the roadmap refuses."""

from collections.abc import Sequence
from typing import ClassVar

from kernel.errors import Conflict, Invalid, NotFound


class FrameworkRefused(Invalid):
    """A framework document breaks rules; nothing of it was loaded. `faults` names every place and its reason."""

    code = "framework_refused"
    message: ClassVar = {
        "th": "โหลดกรอบสมรรถนะไม่ได้ เพราะพบข้อผิดพลาดดังนี้ {places}",
        "en": "The framework document was not loaded, because of these faults: {places}",
    }
    way_on: ClassVar = {
        "th": "แก้ไขตามตำแหน่งที่ระบุ แล้วโหลดใหม่ทั้งไฟล์",
        "en": "Correct the places that are named, then load the whole document again.",
    }

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(places="; ".join(faults))
        self.faults = tuple(faults)


class VersionImmutable(Conflict):
    """A framework version or a crosswalk link that is loaded already came again with other content."""

    code = "framework_version_immutable"
    message: ClassVar = {
        "th": "{name} โหลดไว้แล้วและเปลี่ยนเนื้อหาไม่ได้",
        "en": "{name} is loaded already, and its content cannot change.",
    }
    way_on: ClassVar = {
        "th": "เผยแพร่เป็นฉบับใหม่ที่มีรหัสใหม่ แล้วเชื่อมโยงด้วย replacedBy",
        "en": "Publish a new version under a new id, and link the two by replacedBy.",
    }


class UnknownFramework(NotFound):
    """No framework of this id is loaded."""

    code = "framework_not_found"
    message: ClassVar = {
        "th": "ไม่พบกรอบสมรรถนะ {framework} ในระบบ",
        "en": "The framework {framework} is not loaded.",
    }


class UnknownNode(NotFound):
    """No area or competency of this key is loaded."""

    code = "framework_node_not_found"
    message: ClassVar = {
        "th": "ไม่พบสมรรถนะ {node} ในกรอบสมรรถนะที่โหลดไว้",
        "en": "The competency {node} is in no framework that is loaded.",
    }


class UnknownLink(NotFound):
    """No crosswalk link runs between these two nodes in this relation."""

    code = "crosswalk_link_not_found"
    message: ClassVar = {
        "th": "ไม่พบการเทียบโยงจาก {start} ไปยัง {end}",
        "en": "There is no such link from {start} to {end}.",
    }


class AlignmentOnly(Invalid):
    """A framework kept only to compare with: no agency adopts it and no target is set on it."""

    code = "framework_for_alignment_only"
    message: ClassVar = {
        "th": "กรอบสมรรถนะ {framework} มีไว้เพื่อเทียบเคียงเท่านั้น จึงกำหนดใช้หรือตั้งเป้าหมายไม่ได้",
        "en": "The framework {framework} is for comparison only; it can be neither adopted nor given targets.",
    }


class AdoptionConflict(Conflict):
    """The agency holds another framework from the same day on: there is exactly one on each day."""

    code = "framework_adoption_conflict"
    message: ClassVar = {
        "th": "หน่วยงานนี้กำหนดใช้กรอบ {framework} ตั้งแต่วันที่ {day} ไว้แล้ว",
        "en": "The agency has already adopted {framework} from {day}.",
    }


class TargetRefused(Invalid):
    """A target with a level, role, setter or node that cannot be."""

    code = "target_refused"
    message: ClassVar = {
        "th": "ตั้งเป้าหมายนี้ไม่ได้ เพราะค่า {field} ไม่ถูกต้อง: {value}",
        "en": "The target was refused, because its {field} cannot be {value}.",
    }


class UnknownRole(Invalid):
    """A role or personnel group that the agency's framework does not name."""

    code = "role_unknown"
    message: ClassVar = {
        "th": "กรอบ {framework} ไม่มีบทบาทหรือกลุ่มบุคลากรรหัส {role}",
        "en": "The framework {framework} names no role or personnel group {role}.",
    }


class RuleVersionChanged(Conflict):
    """An attainment rule changed its content without a new name; results made by it could not be told apart."""

    code = "rule_version_changed"
    message: ClassVar = {
        "th": "กติกาการสรุประดับ {rule} เปลี่ยนเนื้อหาโดยไม่เปลี่ยนรหัสฉบับ",
        "en": "The attainment rule {rule} changed its content without a new version.",
    }
