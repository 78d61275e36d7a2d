"""What Microsoft Entra means when it refuses an app's credentials: by its number, never by its words. Pure.

Numbers: learn.microsoft.com/entra/identity-platform/reference-error-codes; the token endpoint lists them under
`error_codes`.
"""

from __future__ import annotations

from collections.abc import Mapping

_MEANINGS: Mapping[int, str] = {
    7000215: "MicrosoftAppPassword is not the value of a client secret. Copy the secret's value, not its id",
    7000222: "the client secret in MicrosoftAppPassword has expired. Make a new one and set its value",
    700016: "the tenant has no app MicrosoftAppId. Copy both ids from one registration",
    90002: "there is no tenant MicrosoftAppTenantId. Copy the Directory (tenant) ID",
    900023: "MicrosoftAppTenantId is no tenant's id. Copy the Directory (tenant) ID",
    7000112: "the app MicrosoftAppId is disabled in the tenant. Enable it",
    7000229: "the app MicrosoftAppId has no service principal in the tenant. Register it there",
}
OTHER = "Set MicrosoftAppId, MicrosoftAppPassword and MicrosoftAppTenantId to those of the app registration"


def refusal_of(status: int, said: object) -> str:
    """A refusal of the token endpoint in words for the operator; `said` is the answer's JSON."""
    codes = said.get("error_codes") if isinstance(said, dict) else None
    numbers = [code for code in codes if type(code) is int] if isinstance(codes, list) else []
    known = next((code for code in numbers if code in _MEANINGS), None)
    if known is not None:
        return f"Entra refuses the bot (AADSTS{known}): {_MEANINGS[known]}"
    first = f"AADSTS{numbers[0]}" if numbers and 0 <= numbers[0] < 10**9 else f"HTTP {status}"
    return f"Entra refuses the bot ({first}). {OTHER}"
