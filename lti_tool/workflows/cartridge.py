"""Links to our activities as a common cartridge, for designers who build a course outside of the platform.

A cartridge is a zip: `imsmanifest.xml` names the links in order, and each link is described in a file of its own. The
profiles differ in names only, so they are data.
Source   1EdTech Common Cartridge 1.3, Thin profile 1.0; Common Cartridge 1.1 for platforms that read nothing newer
"""

import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from uuid import UUID

from kernel.ids import derived_uuid

MEDIA_TYPE = "application/vnd.ims.imsccv1p3"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
BLTI = "http://www.imsglobal.org/xsd/imsbasiclti_v1p0"
LTICM = "http://www.imsglobal.org/xsd/imslticm_v1p0"
LTICP = "http://www.imsglobal.org/xsd/imslticp_v1p0"
VENDOR = ("kaona", "Kaona")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML document may hold."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How one version of the standard spells what a cartridge of links needs."""

    schema: str
    version: str
    resource_type: str
    packaging: str
    """Namespace of the manifest."""
    lom: str
    """Namespace of the manifest's metadata."""
    link: str
    """Namespace of a link's description."""
    schemas: Mapping[str, str]
    """Namespace to the address of its published schema."""


_LTI_SCHEMAS = {
    BLTI: "http://www.imsglobal.org/xsd/lti/ltiv1p0/imsbasiclti_v1p0p1.xsd",
    LTICM: "http://www.imsglobal.org/xsd/lti/ltiv1p0/imslticm_v1p0.xsd",
    LTICP: "http://www.imsglobal.org/xsd/lti/ltiv1p0/imslticp_v1p0.xsd",
}
PROFILES = {
    "1.3": Profile(
        schema="IMS Thin Common Cartridge",
        version="1.3.0",
        resource_type="imsbasiclti_xmlv1p3",
        packaging="http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1",
        lom="http://ltsc.ieee.org/xsd/imsccv1p3/LOM/manifest",
        link="http://www.imsglobal.org/xsd/imslticc_v1p3",
        schemas={
            "http://www.imsglobal.org/xsd/imsccv1p3/imscp_v1p1": "http://www.imsglobal.org/profile/cc/ccv1p3/ccv1p3_imscp_v1p2_v1p0.xsd",
            "http://ltsc.ieee.org/xsd/imsccv1p3/LOM/manifest": "http://www.imsglobal.org/profile/cc/ccv1p3/LOM/ccv1p3_lommanifest_v1p0.xsd",
            "http://www.imsglobal.org/xsd/imslticc_v1p3": "http://www.imsglobal.org/xsd/lti/ltiv1p3/imslticc_v1p3.xsd",
            **_LTI_SCHEMAS,
        },
    ),
    "1.1": Profile(
        schema="IMS Common Cartridge",
        version="1.1.0",
        resource_type="imsbasiclti_xmlv1p0",
        packaging="http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1",
        lom="http://ltsc.ieee.org/xsd/imsccv1p1/LOM/manifest",
        link="http://www.imsglobal.org/xsd/imslticc_v1p0",
        schemas={
            "http://www.imsglobal.org/xsd/imsccv1p1/imscp_v1p1": "http://www.imsglobal.org/profile/cc/ccv1p1/ccv1p1_imscp_v1p2_v1p0.xsd",
            "http://ltsc.ieee.org/xsd/imsccv1p1/LOM/manifest": "http://www.imsglobal.org/profile/cc/ccv1p1/LOM/ccv1p1_lommanifest_v1p0.xsd",
            "http://www.imsglobal.org/xsd/imslticc_v1p0": "http://www.imsglobal.org/xsd/lti/ltiv1p0/imslticc_v1p0p1.xsd",
            **_LTI_SCHEMAS,
        },
    ),
}
"""The thin profile of 1.3, which newer platforms read, and 1.1, the newest that Moodle restores."""


@dataclass(frozen=True, slots=True)
class CartridgeLink:
    """One link of a cartridge. uuid names it in the manifest; custom: parameters of its launches, lower-case names."""

    uuid: UUID
    title: str
    description: str
    url: str
    custom: Mapping[str, str]


def make_cartridge(title: str, links: Sequence[CartridgeLink], *, profile: Profile, language: str, now: datetime) -> bytes:
    """The cartridge as a file: links in their order, plain texts in one language.

    language   code of the texts, `th`
    now        stamped on the files within
    """
    files = {"imsmanifest.xml": _manifest(title, links, profile, language)}
    files |= {_path_of(link): _description(link, profile) for link in links}
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, element in files.items():
            entry = zipfile.ZipInfo(path, date_time=now.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            ET.indent(element)
            archive.writestr(entry, ET.tostring(element, encoding="UTF-8", xml_declaration=True))
    return packed.getvalue()


def _manifest(title: str, links: Sequence[CartridgeLink], profile: Profile, language: str) -> ET.Element:
    root = _root("manifest", {"": profile.packaging, "lomimscc": profile.lom}, profile)
    root.set("identifier", f"M_{derived_uuid('cartridge', *(str(link.uuid) for link in links))}")
    metadata = _add(root, "metadata")
    _add(metadata, "schema", profile.schema)
    _add(metadata, "schemaversion", profile.version)
    general = _add(_add(metadata, "lomimscc:lom"), "lomimscc:general")
    _add(_add(general, "lomimscc:title"), "lomimscc:string", _one_line(title)).set("language", language)
    organization = _add(_add(root, "organizations"), "organization")
    organization.attrib.update(identifier="O_1", structure="rooted-hierarchy")
    top = _add(organization, "item")
    top.set("identifier", "I_root")
    resources = _add(root, "resources")
    for link in links:
        item = _add(top, "item")
        item.attrib.update(identifier=f"I_{link.uuid}", identifierref=f"R_{link.uuid}")
        _add(item, "title", _one_line(link.title))
        resource = _add(resources, "resource")
        resource.attrib.update(identifier=f"R_{link.uuid}", type=profile.resource_type)
        _add(resource, "file").set("href", _path_of(link))
    return root


def _description(link: CartridgeLink, profile: Profile) -> ET.Element:
    """One link; the parts stand in the order of the schema."""
    root = _root("cartridge_basiclti_link", {"": profile.link, "blti": BLTI, "lticm": LTICM, "lticp": LTICP}, profile)
    _add(root, "blti:title", _one_line(link.title))
    _add(root, "blti:description", link.description)
    custom = _add(root, "blti:custom")
    for name, value in link.custom.items():
        _add(custom, "lticm:property", value).set("name", name)
    _add(root, "blti:launch_url", link.url)  # of either scheme: some platforms read this one only
    if link.url.startswith("https:"):
        _add(root, "blti:secure_launch_url", link.url)
    vendor = _add(root, "blti:vendor")
    _add(vendor, "lticp:code", VENDOR[0])
    _add(vendor, "lticp:name", VENDOR[1])
    return root


def _root(name: str, spaces: Mapping[str, str], profile: Profile) -> ET.Element:
    """The root of a document: the prefixes of its namespaces ("" for the default) and their published schemas."""
    root = ET.Element(name, {"xmlns" if not prefix else f"xmlns:{prefix}": space for prefix, space in spaces.items()})
    root.set("xmlns:xsi", XSI)
    root.set("xsi:schemaLocation", " ".join(f"{space} {profile.schemas[space]}" for space in spaces.values()))
    return root


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = None if text is None else _UNWRITABLE.sub("", text)
    return element


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _path_of(link: CartridgeLink) -> str:
    return f"links/{link.uuid}.xml"
