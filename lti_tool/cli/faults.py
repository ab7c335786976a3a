"""What the machine refuses, in words for an operator: the database, a file, an address to listen on."""

from typing import ClassVar

from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kernel.errors import KaonaError
from lti_tool.settings import Settings, SettingsInvalid, read_settings


class DatabaseUnusable(KaonaError):
    """The database cannot be opened, reached or used."""

    code = "database_unusable"
    message: ClassVar = {
        "th": "ใช้ฐานข้อมูล {address} ไม่ได้ ({reason}) โปรดตรวจว่าฐานข้อมูลทำงานและเขียนได้ "
        "หรือแก้ KAONA_DATABASE_URL (เมื่อไม่ได้ตั้งค่า ระบบใช้ไฟล์ SQLite ใน KAONA_DATA_DIR)",
        "en": "The database {address} cannot be used: {reason}. Check that it is there and may be written, or correct KAONA_DATABASE_URL "
        "(when it is empty, a SQLite file in KAONA_DATA_DIR is used).",
    }


class FileUnusable(KaonaError):
    """A file or folder cannot be made, read or written."""

    code = "file_unusable"
    message: ClassVar = {
        "th": "ใช้ {path} ไม่ได้ ({reason}) ระบบเก็บไฟล์ไว้ใน KAONA_DATA_DIR (ขณะนี้คือ {folder}) ซึ่งต้องเป็นโฟลเดอร์ที่ผู้ใช้นี้เขียนได้",
        "en": "{path} cannot be used: {reason}. Files are kept in KAONA_DATA_DIR (now {folder}), "
        "which must be a folder that this user may write.",
    }


class AddressUnusable(KaonaError):
    """The web processes cannot listen where they were told to."""

    code = "address_unusable"
    message: ClassVar = {
        "th": "เปิดรับการเชื่อมต่อที่ {host} พอร์ต {port} ไม่ได้ ({reason}) โปรดหยุดโปรแกรมที่ใช้อยู่ หรือเลือกใหม่ด้วย --host และ --port",
        "en": "Cannot listen on {host} port {port}: {reason}. End what runs there, or choose another by --host and --port.",
    }


def explained(error: Exception) -> KaonaError:
    """The refusal that tells an operator of an error of the database or the system; it never holds a password."""
    try:
        settings = read_settings()
    except SettingsInvalid as invalid:
        return invalid
    if isinstance(error, SQLAlchemyError):
        return _database_fault(error, settings)
    assert isinstance(error, OSError)
    return FileUnusable(path=error.filename or "a file", reason=error.strerror or type(error).__name__, folder=settings.data_dir.absolute())


def _database_fault(error: SQLAlchemyError, settings: Settings) -> DatabaseUnusable:
    url = make_url(settings.resolved_database_url)
    said = str(error.orig if isinstance(error, DBAPIError) else error) or type(error).__name__
    reason = said.splitlines()[0].rstrip(".")
    if url.password:
        reason = reason.replace(str(url.password), "***")
    return DatabaseUnusable(address=url.render_as_string(hide_password=True), reason=reason)
