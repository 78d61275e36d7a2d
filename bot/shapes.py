"""What secrets look like: a table of named kinds, one line each. Pure.

Shapes are as their makers publish them (the pages on token formats, and on secret scanning, of each maker).
Each takes time linear in the length of the text: a repeat has a bound, or consumes all that it looks at.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of secret: a shape, and what else must hold for a match to be one."""

    name: str
    #: The group `secret` is what gets replaced; without such a group, the whole match.
    shape: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = lambda _: True

    def found_in(self, text: str) -> Iterator[re.Match[str]]:
        """Each secret of this kind in the text; a match that is none hides no other that begins inside it."""
        match = self.shape.search(text)
        while match:
            holds = self.holds(match)
            if holds:
                yield match
            match = self.shape.search(text, max(match.end(), match.start() + 1) if holds else match.start() + 1)


_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[068]\d{12}|6\d{15,18}")


def is_random(text: str) -> bool:
    """Whether it is hex or base64 of 32 characters and more, mixed as no word or number is; no UUID."""
    if not re.fullmatch(r"[\w+/-]{32,}={0,2}", text, re.ASCII) or _UUID.fullmatch(text):
        return False
    return len(set(text)) >= 8 and any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


#: What a shell, or a person, would read as more than a token: an expansion, a pipe, an address.
_ACTIVE = re.compile(r"\$[({]|`|\||[<>]\(|://")
_FRAME = re.compile(
    r"-----(?:BEGIN|END) (?:(?:RSA|DSA|EC|OPENSSH|ENCRYPTED|PGP|ANY) )?PRIVATE KEY(?: BLOCK)?-----"
    r"|Proc-Type: \d,[A-Z]{1,20}|DEK-Info: [A-Z0-9-]{1,20},[0-9A-F]{1,64}"
)
#: A line of base64, and its last; a path is none, whatever it is padded with, nor is a word in small letters.
_BODY = re.compile(r"(?=\S*[A-Z])(?=\S*[a-z])(?=\S*\d)(?!\S*///)[\w+/=]{20,}", re.ASCII)
_TAIL = re.compile(r"(?=\S*[A-Z0-9=])(?!\S*///)[\w+/=]+\.{0,3}", re.ASCII)
_SPACE = re.compile(r"(?:\s|\\{1,4}[nrt])+")
_GROUPS = re.compile(r"[\d-]+(?:\s+[\d-]+)*")
_PAIRS = re.compile(r"[\w!#%&*+.^~-]+=[^\s;]*(?:;\s*[\w!#%&*+.^~-]+=[^\s;]*)*")
#: The longest secret that is one; more than this is a document.
LONGEST_SECRET = 4_096


def reads_like_text(hidden: str) -> bool:
    """Whether it may be prose or code rather than a token: words with white space between, or too much of it.

    The base64 of a key, a number in groups and a cookie's pairs are none.
    """
    if len(hidden) > LONGEST_SECRET or _ACTIVE.search(hidden):
        return True
    if _GROUPS.fullmatch(hidden) or _PAIRS.fullmatch(hidden):
        return False
    words = [word for word in _SPACE.split(_FRAME.sub(" ", hidden)) if re.search(r"\w", word)]
    *body, last = words or [""]
    return bool(body) and not (all(map(_BODY.fullmatch, body)) and _TAIL.fullmatch(last))


def _random(match: re.Match[str]) -> bool:
    return is_random(match["secret"])


def _credentials(match: re.Match[str]) -> bool:
    """Basic authentication is base64 of `user:password` (RFC 7617), which no prose is."""
    word = match["secret"].rstrip("=")
    try:
        return b":" in base64.b64decode(word + "=" * (-len(word) % 4), validate=True)
    except binascii.Error:
        return False


def _payment_card(match: re.Match[str]) -> bool:
    """A number that a card network has given out (Luhn), and no part of an IBAN (ISO 13616, mod 97)."""
    digits = re.sub(r"\D", "", match.group())
    doubled = (int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits)))
    if not _CARD.fullmatch(digits) or sum(n - 9 if n > 9 else n for n in doubled) % 10:
        return False
    start, end = max(0, match.start() - 30), match.end() + 30
    around = _IBAN.finditer(match.string[start:end])
    return not any(
        iban.start() + start <= match.start() < iban.end() + start and _checks_out(iban.group())
        for iban in around
    )


def _checks_out(iban: str) -> bool:
    plain = iban.replace(" ", "")
    lengths = range(len(plain), 14, -1)  # the words after an IBAN may look like a part of it
    return any(int("".join(str(int(c, 36)) for c in plain[4:n] + plain[:4])) % 97 == 1 for n in lengths)


#: Where a word begins: also behind the `\n` of a text in a text.
_BEGINS = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"


def _token(prefix: str, rest: str, *, clear: bool = True) -> re.Pattern[str]:
    """A prefix and what follows. A prefix that is not `clear` by itself begins a word.

    (The look back comes after the prefix, so that the search for the literal stays fast.)
    """
    begins = "" if clear else rf"(?:(?<![A-Za-z0-9]{prefix})|(?<=\\[nrt]{prefix}))"
    return re.compile(prefix + begins + rest)


_NAMED = (
    r"(?:(?<![A-Za-z])|(?<=[a-z])(?=[A-Z])|(?<=\\[nrt]))"
    r"(?i:password|passwd|passphrase|passcode|passwort|pwd|(?<=_)pass|secret|token|credentials?|"
    r"(?:api|access|private|secret|account|signing|encryption|master|auth|client|sharedaccess)[ _-]?"
    r"(?:key|token|secret)(?:[ _-]?id)?)\d{0,3}"
)
_ASSIGNED = r"""\\{0,7}["']?[ \t]{0,8}(?::=|=>|={1,3}|:)[ \t]{0,8}"""
_VALUE = (
    r"""(?:\\{0,7}["'])?(?P<secret>(?!‹redacted )(?:(?<=\\")(?:(?!\\{1,7}").)+"""
    r"""|(?<=")(?:[^"\\\n]|\\.)+|(?<=')[^'\n]+"""
    r"""|(?<!["'])(?!\\{1,7}["'])[^\s"'&;,<>‹›]+))"""
)
#: Between the lines of a key: also in a text in a text, indented, quoted, or put together by a program.
_BREAK = r"(?:\\{1,4}[nr]|[\s\"'+,#>|])"
#: Whole or cut: lines of base64, the headers of such keys, and nothing else, lest a key hides what follows it.
_PEM = (
    r"-----BEGIN (?P<label>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----"
    rf"(?:{_BREAK}{{1,40}}+(?:[\w+/=]{{20,}}|Proc-Type: \d,[A-Z]{{1,20}}"
    r"|DEK-Info: [A-Z0-9-]{1,20},[0-9A-F]{1,64}|(?:Version|Comment|Charset|Hash): [^\n\\]{0,80}))*+"
    rf"(?:(?:{_BREAK}{{1,40}}+=?[\w+/]{{1,64}}={{0,2}}){{0,2}}{_BREAK}{{0,40}}+-----END (?P=label)-----"
    rf"|{_BREAK}{{1,40}}+[\w+/=]{{1,64}}\.{{0,3}}\Z)?"
)
#: A pair of a cookie; its value may be quoted, and holds no white space.
_COOKIE = r"""[\w!#%&*+.^~-]{1,256}=(?:"[^\s;"\\‹›]*+"|[^\s;"'\\‹›]*+)"""
_OPAQUE = r"[A-Za-z0-9._~+/=-]"


def _kind(
    name: str, shape: str | re.Pattern[str], holds: Callable[[re.Match[str]], bool] | None = None
) -> Kind:
    pattern = re.compile(shape)
    return Kind(name=name, shape=pattern, holds=holds) if holds else Kind(name=name, shape=pattern)


#: Every kind that is known by its shape; to add one, add a line and a planted example.
KINDS: tuple[Kind, ...] = (
    # clouds
    _kind("AWS access key id", _token("A(?:KIA|SIA|BIA|CCA)", r"[A-Z0-9]{16}(?![A-Z0-9])")),
    _kind(
        "AWS secret access key",
        r"(?i:aws|secret)(?i:[a-z_ -]{0,24}key)\W{1,6}(?P<secret>[A-Za-z0-9/+]{40})(?![\w/+])",
    ),
    _kind("Google API key", _token("AIza", r"[\w-]{35}")),
    _kind("Google OAuth token", _token(r"ya29\.", r"[\w.-]{20,}", clear=False)),
    _kind("Google refresh token", _token("1//0", r"[\w-]{30,}")),
    _kind("Google client secret", _token("GOCSPX-", r"[\w-]{20,}")),
    _kind("Azure account key", r"(?i:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/=]{20,})"),
    _kind("Azure SAS signature", r"(?i:[?&;]sig)=(?P<secret>[\w%+/=-]{20,})"),
    _kind("Azure client secret", r"[\w.~-]{3}[78]Q~[\w.~-]{31,34}"),
    _kind("DigitalOcean token", _token("do[opr]_v1_", r"[a-f0-9]{64}")),
    _kind("Alibaba access key id", _token("LTAI", r"[A-Za-z0-9]{12,30}", clear=False)),
    _kind("Fly token", _token("fm[12]_", r"[\w+/=,-]{60,}", clear=False)),
    # code
    _kind("GitHub token", _token("gh[pousr]_", r"[A-Za-z0-9]{30,}")),
    _kind("GitHub fine-grained token", _token("github_pat_", r"\w{22,}")),
    _kind("GitLab token", _token("gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|oas)-", r"[\w-]{20,}")),
    _kind("Atlassian token", _token("AT(?:ATT3|CTT3|BB)", r"[\w=-]{24,}")),
    _kind("npm token", _token("npm_", r"[A-Za-z0-9]{30,}")),
    _kind("PyPI token", _token("pypi-", r"[\w-]{40,}")),
    _kind("RubyGems token", _token("rubygems_", r"[a-f0-9]{40,}")),
    _kind("Docker Hub token", _token("dckr_[po]at_", r"[\w-]{20,}")),
    _kind("Terraform Cloud token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}"),
    _kind("Pulumi token", _token("pul-", r"[a-f0-9]{40}", clear=False)),
    _kind("Sentry token", _token("sntry[su]_", r"[\w+/=-]{40,}")),
    _kind("Postman key", _token("PMAK-", r"[a-f0-9-]{40,}")),
    _kind("Figma token", _token("fig[dor]_", r"[\w-]{40,}")),
    # chats
    _kind("Slack token", _token("xox[a-z]-", r"[\w.-]{10,}")),
    _kind("Slack app token", _token("xapp-", r"\d-[\w-]{10,}")),
    _kind("Slack webhook", r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/+-]{20,})"),
    _kind("Teams webhook", r"\.webhook\.office\.com/webhookb2/(?P<secret>[\w@/-]{36,})"),
    _kind("Discord token", _BEGINS + r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"),
    _kind("Discord webhook", r"discord(?:app)?\.com/api/webhooks/\d{1,20}/(?P<secret>[\w-]{40,})"),
    _kind("Telegram bot token", r"(?<!\d)\d{8,10}:[\w-]{35}(?![\w-])"),
    # money
    _kind("Stripe key", _token("[srp]k_(?:live|test)_", r"[A-Za-z0-9]{10,}")),
    _kind("Stripe webhook secret", _token("whsec_", r"[A-Za-z0-9+/=]{20,}")),
    _kind("Square token", _token("sq0[a-z]{3}-", r"[\w-]{22,}")),
    _kind("Square access token", _token("EAAA", r"[\w-]{56,}", clear=False)),
    _kind("Shopify token", _token("shp(?:at|ca|pa|ss)_", r"[a-fA-F0-9]{32}")),
    _kind(
        "payment card",
        _BEGINS + r"(?<!\d[.,])"
        r"(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{13,19})(?!\d)",
        _payment_card,
    ),
    _kind(
        "US social security number", _BEGINS + r"(?<!-)(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"
    ),
    # models and data
    _kind("Anthropic key", _token("sk-ant-", r"[\w-]{20,}")),
    _kind("OpenAI key", _token("sk-", r"(?=[\w-]{0,60}\d)[\w-]{20,}", clear=False)),
    _kind("Hugging Face token", _token("hf_", r"[A-Za-z0-9]{30,}", clear=False)),
    _kind("Groq key", _token("gsk_", r"[A-Za-z0-9]{40,}")),
    _kind("xAI key", _token("xai-", r"[A-Za-z0-9]{40,}", clear=False)),
    _kind("Perplexity key", _token("pplx-", r"[A-Za-z0-9]{40,}")),
    _kind("Replicate token", _token("r8_", r"[A-Za-z0-9]{36,}", clear=False)),
    _kind("Databricks token", _token("dapi", r"[a-f0-9]{32}(?:-\d)?")),
    _kind("PlanetScale token", _token("pscale_(?:tkn|pw|oauth)_", r"[\w.-]{30,}")),
    _kind("Supabase token", _token("sb[ps]_", r"[A-Za-z0-9_]{36,}", clear=False)),
    # operations
    _kind(
        "Datadog key",
        r"(?i:dd|datadog)[ _-]?(?i:(?:api|app|application)[ _-]?key)\W{1,6}(?P<secret>[a-f0-9]{32,40})",
    ),
    _kind("New Relic key", _token("NR(?:AK|II|JS|AL|RA)-", r"[A-Za-z0-9]{19,}", clear=False)),
    _kind("Grafana token", _token("gl(?:sa|c)_", r"[A-Za-z0-9+/=_]{32,}")),
    _kind("Vault token", _token(r"hv[sbr]\.", r"[\w-]{20,}", clear=False)),
    _kind("Doppler token", _token(r"dp\.(?:pt|st|ct|sa|scim|audit)\.", r"[\w.-]{30,}")),
    _kind("Heroku key", _token("HRKU-", r"[\w-]{30,}")),
    _kind("Netlify token", _token("nfp_", r"[A-Za-z0-9]{36,}", clear=False)),
    _kind("Okta token", r"SSWS[ \t]{1,8}(?P<secret>[\w-]{30,})"),
    # mail, telephone, office
    _kind("Twilio key", _BEGINS + r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    _kind("SendGrid key", _token(r"SG\.", r"[\w-]{16,64}\.[\w-]{16,}", clear=False)),
    _kind("Brevo key", _token("xkeysib-", r"[a-f0-9]{40,}[\w-]*")),
    _kind("Mailgun key", _token("key-", r"[0-9a-f]{32}(?![0-9a-f])", clear=False)),
    _kind("Mailchimp key", r"(?<![0-9a-f])[0-9a-f]{32}-us\d{1,2}(?!\d)"),
    _kind("Linear key", _token("lin_(?:api|oauth)_", r"[A-Za-z0-9]{30,}")),
    _kind("Notion token", _token("(?:secret|ntn)_", r"[A-Za-z0-9]{40,}")),
    _kind("Airtable token", _token("pat", r"[A-Za-z0-9]{14}\.[a-f0-9]{40,}")),
    # keys and tokens of any maker
    _kind("private key", _PEM),
    _kind(
        "OpenSSH key body",
        _token(
            "b3BlbnNzaC1rZXktdjE",
            r"[\w+/=]{16,}(?:(?:\\n|\s){1,4}[\w+/=]{20,})*+(?:(?:\\n|\s)[\w+/]{1,69}={1,2})?",
        ),
    ),
    _kind(
        "RSA key body",
        r"MII[A-Za-z0-9+/]{1,6}(?:IBAAKC|ADANBgkqhkiG9w0BAQ)[\w+/=]{20,}(?:(?:\\n|\s){1,4}[\w+/=]{20,})*+",
    ),
    _kind("age secret key", _token("AGE-SECRET-KEY-1", r"[0-9A-Z]{50,}")),
    _kind("JWT", r"eyJ(?:(?<![\w-]eyJ)|(?<=\\[nrt]eyJ))[\w-]{8,}+\.[\w-]{4,}+\.[\w-]*+(?:\.[\w-]++){0,2}"),
    _kind(
        "bearer token",
        _BEGINS + r"(?i:bearer)[ \t]{1,8}"
        rf"(?P<secret>(?={_OPAQUE}{{0,200}}\d){_OPAQUE}{{12,}}|{_OPAQUE}{{24,}})",
    ),
    _kind(
        "basic credentials",
        _BEGINS + r"(?i:basic)[ \t]{1,8}(?P<secret>[A-Za-z0-9+/]{4,4096}={0,2})",
        _credentials,
    ),
    _kind(
        "authorization header",
        rf"(?i:authorization){_ASSIGNED}(?:\\?[\"'])?"
        r"(?i:(?:bearer|basic|token|apikey|digest|negotiate)[ \t]{1,8})"
        r"(?P<secret>[^\s\"',;‹›]{4,})",
    ),
    _kind(
        "cookie header",
        _BEGINS + r"(?i:(?:set-)?cookie)" + _ASSIGNED + rf"(?P<secret>{_COOKIE}(?:;[ \t]{{0,4}}{_COOKIE})*+)",
    ),
    _kind("password in a URL", r"://[^\s/@:]{0,256}:(?P<secret>[^\s/]{1,1024})@(?=[^\s@])"),
    _kind("assignment", _NAMED + _ASSIGNED + _VALUE),
    _kind(
        "password in a sentence",
        _BEGINS + r"(?i:(?:password|passphrase|passcode|pwd|pin) is:?)[ \t]{1,8}[\"']?"
        r"(?P<secret>(?=\S{0,64}[\d!@#$%^&*])[^\s\"',;‹›]{4,})",
    ),
    _kind("command-line flag", rf"--(?<!---)(?:[a-z-]{{0,30}}-)?{_NAMED}[ \t]{{1,8}}(?!-){_VALUE}"),
    _kind(
        "curl credentials",
        r"(?<!\S)(?:-u|--user)[ \t]{0,4}[\"']?(?!\d{1,9}:\d{1,9}(?![^\s,;\"']))"
        r"[^\s:\"']{1,256}:(?!//)(?P<secret>[^\s\"'‹›]+)",
    ),
    _kind(
        "one-time code",
        _BEGINS
        + r"(?i:pin|otp|totp|cvv|cvc|mfa code|2fa code)"
        + _ASSIGNED
        + r"[\"']?(?P<secret>\d[\d -]{1,10}\d)",
    ),
    _kind(
        "random value behind a word",
        r"(?i:(?:key|secret|token|password|credential)s?)(?i:[ \t]{1,4}(?:is|was|value))?[\"'\s:=>(`]{1,6}"
        r"(?P<secret>[\w+/-]{32,}+={0,2})",
        _random,
    ),
)
