"""A tool as the platform registers it, and the form in which one is uploaded."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes

from sandbox.platform.agents import tool_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A registered tool. Its code is kept and never run: an agent of the sandbox only says that it did."""

    name: str
    description: str = ""
    code: str = ""

    @property
    def id(self) -> str:
        """The UUID by which the REST interface knows it."""
        return tool_id(self.name)


def tool_from(content_type: str, body: bytes) -> Tool:
    """The tool in a multipart form: `name`, `description` and `file` (the platform's REST guide, Tools).

    Without `name` it is called as its file is. Raises ValueError for what is no such form, or has no file.
    """
    form = message_from_bytes(f"content-type: {content_type}\r\n\r\n".encode(errors="replace") + body)
    if not form.is_multipart():
        raise ValueError("A tool is uploaded as multipart/form-data")
    fields: dict[object, str] = {}
    filename = ""
    for part in form.walk():
        payload = part.get_payload(decode=True)
        if isinstance(payload, bytes):
            fields[part.get_param("name", header="content-disposition")] = payload.decode(errors="replace")
            filename = part.get_filename() or filename
    if not fields.get("file"):
        raise ValueError("Invalid plugin file: the form has no file")
    name = fields.get("name") or filename.removesuffix(".py") or "uploaded_tool"
    return Tool(name=name, description=fields.get("description", ""), code=fields["file"])
