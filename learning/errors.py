"""What the learning room refuses."""

from typing import ClassVar

from kernel.errors import Conflict, Invalid, NotFound


class CatalogueInvalid(Invalid):
    """A catalogue document breaks a rule; nothing of it was loaded. `place` and `reason` say where and which."""

    code = "catalogue_invalid"
    message: ClassVar = {
        "th": "โหลดบัญชีรายการเรียนรู้ไม่ได้ เพราะข้อมูลที่ {place} ไม่ถูกต้อง: {reason}",
        "en": "The catalogue was not loaded, because {place} is not valid: {reason}",
    }


class PrerequisiteCycle(Invalid):
    """Prerequisites that wait for each other in a ring; `cycle` names every milestone of it, the first one again at the end."""

    code = "prerequisite_cycle"
    message: ClassVar = {
        "th": "ลำดับก่อนหลังวนเป็นวง จึงไม่มีจุดเริ่มต้น: {cycle}",
        "en": "The prerequisites run in a ring and have no beginning: {cycle}",
    }
    way_on: ClassVar = {
        "th": "ลบความสัมพันธ์หนึ่งเส้นในวงนี้ แล้วโหลดอีกครั้ง",
        "en": "Remove one prerequisite of the ring and load again.",
    }


class ResourceNotFound(NotFound):
    """The catalogue never held such a resource for this agency."""

    code = "learning_resource_not_found"
    message: ClassVar = {"th": "ไม่พบกิจกรรมการเรียนรู้นี้ในบัญชีรายการ", "en": "The catalogue holds no such learning activity."}
    way_on: ClassVar = {
        "th": "โปรดแจ้งผู้สอนให้เลือกกิจกรรมใหม่ในรายวิชา",
        "en": "Please ask your teacher to choose another activity in the course.",
    }


class StepNotFound(NotFound):
    """The person's newest path holds no such step."""

    code = "path_step_not_found"
    message: ClassVar = {
        "th": "ไม่พบขั้นนี้ในเส้นทางการเรียนรู้ปัจจุบันของท่าน",
        "en": "Your present learning path holds no such step.",
    }
    way_on: ClassVar = {
        "th": "เปิดเส้นทางการเรียนรู้อีกครั้ง เพราะอาจมีฉบับใหม่แล้ว",
        "en": "Open your learning path again; there may be a newer version.",
    }


class StepStateUnknown(Invalid):
    """A step can be planned, under way or done, and nothing else."""

    code = "path_step_state_unknown"
    message: ClassVar = {
        "th": "สถานะของขั้นต้องเป็น planned, under_way หรือ done",
        "en": "The state of a step must be planned, under_way or done.",
    }


class StepHasNoActivity(Conflict):
    """An assessment or an open step cannot be marked: only a result or a new path changes it."""

    code = "path_step_has_no_activity"
    message: ClassVar = {
        "th": "ขั้นนี้ทำเครื่องหมายเองไม่ได้ เพราะจะเปลี่ยนเมื่อมีผลประเมินหรือมีเส้นทางฉบับใหม่เท่านั้น",
        "en": "This step cannot be marked by hand; only a result or a new path changes it.",
    }
