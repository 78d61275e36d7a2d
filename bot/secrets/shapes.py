"""What secrets look like: a table of named kinds, one line each. Pure.

Shapes follow what their makers publish (each maker's pages on token formats and on secret scanning).
Each takes time linear in the length of the text: a repeat has a bound, or consumes all that it looks at.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.secrets.readable import Sort, is_opaque, reads_like_text

#: At most this many secrets of a kind in one text are judged one by one; nobody can approve such a call
#: (bot.secrets.masks), so everything else that fits the kind is hidden as well.
MOST_LOOKED_INTO = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of secret: a shape, and further conditions for a match."""

    name: str
    #: The group `secret` is what gets replaced; without such a group, the whole match. The start of the group
    #: `prefix` is the maker's own; the rest must look random.
    shape: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] = lambda _: True
    #: Who made it, which decides how Nod judges whether it could say something.
    sort: Callable[[re.Match[str]], Sort] = lambda _: Sort.SHAPE
    #: Every text with such a secret contains one of these, in small letters: the search for a literal is fast.
    needs: tuple[str, ...] = ()
    of_lines: bool = False  #: whether it can span several items of a list of arguments

    def may_be_in(self, lowered: str) -> bool:
        """Whether it is worth a search, by the text in small letters."""
        return not self.needs or any(map(lowered.__contains__, self.needs))

    def found_in(self, text: str) -> Iterator[re.Match[str]]:
        """Each secret of this kind in the text; a failed match does not hide another that begins inside it."""
        held, match = 0, self.shape.search(text)
        while match:
            holds = held >= MOST_LOOKED_INTO or self.holds(match)
            if holds:
                held += 1
                yield match
            match = self.shape.search(text, max(match.end(), match.start() + 1) if holds else match.start() + 1)


_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])")
_CARD = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[068]\d{12}|6\d{15,18}")


def _payment_card(match: re.Match[str]) -> bool:
    """A number that a card network can issue (Luhn), and that is not part of an IBAN (ISO 13616, mod 97)."""
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


#: Where a word begins: also after the `\n` of a text in a text.
BEGINS = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"


def _token(prefix: str, rest: str, *, clear: bool = True) -> re.Pattern[str]:
    """A prefix and what follows. A prefix that is not `clear` alone must begin a word.

    (The lookbehind comes after the prefix, so that the search for the literal stays fast.)
    """
    begins = "" if clear else rf"(?:(?<![A-Za-z0-9]{prefix})|(?<=\\[nrt]{prefix}))"
    return re.compile(rf"(?P<prefix>{prefix}){begins}{rest}")


#: Between the lines of a key: also in a text in a text, indented, quoted, or put together by a program.
_BREAK = r"(?:\\{1,4}[nr]|[\s\"'+,#>|])"
#: Whole or cut: lines of base64, the headers of such keys, and nothing else, so a key cannot hide what follows
#: it.
_PEM = (
    r"-----BEGIN (?P<label>[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?)-----"
    rf"(?:{_BREAK}{{1,40}}+(?:[\w+/=]{{20,}}|Proc-Type: \d,[A-Z]{{1,20}}"
    r"|DEK-Info: [A-Z0-9-]{1,20},[0-9A-F]{1,64}|(?:Version|Comment|Charset|Hash): [^\n\\]{0,80}))*+"
    rf"(?:(?:{_BREAK}{{1,40}}+=?[\w+/]{{1,64}}={{0,2}}){{0,2}}{_BREAK}{{0,40}}+-----END (?P=label)-----"
    rf"|{_BREAK}{{1,40}}+[\w+/=]{{1,64}}\.{{0,3}}\Z)?"
)


def _kind(
    name: str,
    shape: str | re.Pattern[str],
    holds: Callable[[re.Match[str]], bool] = lambda _: True,
    *,
    sort: Callable[[re.Match[str]], Sort] = lambda _: Sort.SHAPE,
    needs: tuple[str, ...] = (),
) -> Kind:
    return Kind(name=name, shape=re.compile(shape), holds=holds, sort=sort, needs=needs)


def _sealed(_: re.Match[str]) -> Sort:
    """The maker puts text inside, so a readable decoded part does not speak against it."""
    return Sort.SEALED


def made(_: re.Match[str]) -> Sort:
    """A machine made it."""
    return Sort.MADE


def _is_private_pem(match: re.Match[str]) -> bool:
    """A PEM in base64, as in a kubeconfig; a certificate is not a secret."""
    return b"PRIVATE KEY" in base64.b64decode(match.group()[:80])


def _jwt(match: re.Match[str]) -> Sort:
    """A JWT says in JSON who signed it and how (RFC 7519 §5), with claims; a claim with code is not a claim."""
    head, body, *seal = match.group().split(".")
    try:
        header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
    except ValueError:
        return Sort.SHAPE
    signed = isinstance(header, dict) and isinstance(header.get("alg"), str) and len(seal[0]) >= _SHORTEST_SEAL
    clean = isinstance(claims, dict) and all(_is_claim(*claim) for claim in _claims("", claims, depth=3))
    return Sort.SEALED if signed and clean else Sort.SHAPE


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _claims(name: str, value: object, *, depth: int) -> Iterator[tuple[str, str]]:
    """The texts in the claims, each with its name; deeper ones are treated as code."""
    if isinstance(value, str) or not depth:
        yield name, value if isinstance(value, str) else "{"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield "", key
            yield from _claims(key, inner, depth=depth - 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _claims(name, inner, depth=depth - 1)


def _is_claim(name: str, text: str) -> bool:
    """Whether it says who a person is, or what a token is for; other claims are tokens themselves."""
    if _IDENTITIES.fullmatch(name):
        return bool(_IDENTITY.fullmatch(text))
    return not reads_like_text(text, sort=Sort.CHOSEN)


#: HMAC with SHA-256 in base64, the shortest signature of RFC 7518.
_SHORTEST_SEAL = 43
#: Claims that are names, addresses and scopes (the registry of RFC 7519, OpenID Connect Core §5.1).
_IDENTITIES = re.compile(
    "|amr|aud|azp|client_id|email|family_name|given_name|groups|iss|jti|name|nickname|preferred_username|roles?|scope"
    "|scp|sub|unique_name|upn"
)
_IDENTITY = re.compile(r"(?:https?://)?[\w@.:/|+*-]{0,200}|[\w.]+(?: [\w.:]+){1,5}")


_UUID_SHAPE = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _is_drawn(match: re.Match[str]) -> bool:
    """Whether the part after the prefix looks random; names in code begin with that prefix, too."""
    return is_opaque(match.group()[len(match["prefix"]) :].replace("_", ""))


def _in_a_url(match: re.Match[str]) -> bool:
    return is_opaque(match["secret"])


#: Every kind that is known by its shape; to add one, add a row and a planted example.
KINDS: tuple[Kind, ...] = (
    # clouds
    _kind("AWS access key id", _token("A(?:KIA|SIA|BIA|CCA)", r"[A-Z0-9]{16}(?![A-Z0-9])")),
    _kind(
        "AWS secret access key",
        r"(?i:aws|secret)(?i:[a-z_ -]{0,24}key)\W{1,6}(?P<secret>[A-Za-z0-9/+]{40})(?![\w/+])",
        needs=("aws", "secret"),
    ),
    _kind("Google API key", _token("AIza", r"[\w-]{35}")),
    _kind("Google OAuth token", _token(r"ya29\.", r"[\w.-]{20,}", clear=False)),
    _kind("Google refresh token", _token("1//0", r"[\w-]{30,}")),
    _kind("Google client secret", _token("GOCSPX-", r"[\w-]{20,}")),
    _kind(
        "Azure account key",
        r"(?i:AccountKey|SharedAccessKey)=(?P<secret>[A-Za-z0-9+/=]{20,})",
        needs=("accountkey=", "sharedaccesskey="),
    ),
    _kind("Azure SAS signature", r"(?i:[?&;]sig)=(?P<secret>[\w%+/=-]{20,})", needs=("sig=",)),
    _kind("Azure client secret", r"[\w.~-]{3}[78]Q~[\w.~-]{31,34}", needs=("7q~", "8q~")),
    _kind("DigitalOcean token", _token("do[opr]_v1_", r"[a-f0-9]{64}")),
    _kind("Alibaba access key id", _token("LTAI", r"[A-Za-z0-9]{12,30}", clear=False)),
    _kind("Fly token", _token("fm[12]_", r"[\w+/=,-]{60,}", clear=False), sort=_sealed),
    # code
    _kind("GitHub token", _token("gh[pousr]_", r"[A-Za-z0-9]{30,}")),
    _kind("GitHub fine-grained token", _token("github_pat_", r"\w{22,}")),
    _kind("GitLab token", _token("gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|oas)-", r"[\w-]{20,}")),
    _kind("Atlassian token", _token("AT(?:ATT3|CTT3|BB)", r"[\w=-]{24,}"), sort=_sealed),
    _kind("npm token", _token("npm_", r"[A-Za-z0-9]{30,}")),
    _kind("PyPI token", _token("pypi-", r"[\w-]{40,}"), sort=_sealed),
    _kind("RubyGems token", _token("rubygems_", r"[a-f0-9]{40,}")),
    _kind("Docker Hub token", _token("dckr_[po]at_", r"[\w-]{20,}")),
    _kind("Terraform Cloud token", r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}", needs=(".atlasv1.",)),
    _kind("Pulumi token", _token("pul-", r"[a-f0-9]{40}", clear=False)),
    _kind("Sentry token", _token("sntry[su]_", r"[\w+/=-]{40,}"), sort=_sealed),
    _kind("Postman key", _token("PMAK-", r"[a-f0-9-]{40,}")),
    _kind("Figma token", _token("fig[dor]_", r"[\w-]{40,}")),
    _kind("CircleCI token", _token("CCI(?:PAT|PRJ)_", r"[A-Za-z0-9]{16,}_[a-f0-9]{40}")),
    _kind("Buildkite token", _token("bk(?:ua|aa)_", r"[a-f0-9]{40}")),
    _kind("NuGet key", _token("oy2", r"[a-z0-9]{43}(?![A-Za-z0-9])", clear=False)),
    _kind("JFrog key", _token("AKCp", r"[A-Za-z0-9]{60,}", clear=False)),
    _kind("Sourcegraph token", _token("sgp_", r"(?:[a-f0-9]{16}_)?[a-f0-9]{40}")),
    # chats
    _kind("Slack token", _token("xox[a-z]-", r"[\w.-]{10,}")),
    _kind("Slack app token", _token("xapp-", r"\d-[\w-]{10,}")),
    _kind(
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[\w/+-]{20,})",
        needs=("hooks.slack.com/",),
    ),
    _kind(
        "Teams webhook",
        r"\.webhook\.office\.com/webhookb2/(?:[\w@-]{36,80}/IncomingWebhook/(?=[0-9a-f]{32}|‹))?+"
        r"(?P<secret>[0-9a-f]{32}(?![0-9a-f])|[\w@/-]{36,})",
        needs=(".webhook.office.com/",),
    ),
    _kind(
        "webhook of an automation",
        r"(?:hooks\.zapier\.com/hooks/catch/\d{1,12}/|\bhook\.[a-z0-9]{2,4}\.make\.com/"
        r"|maker\.ifttt\.com/\S{1,80}/with/key/)"
        r"(?P<secret>[\w-]{6,64})",
        needs=("hooks.zapier.com/", ".make.com/", "maker.ifttt.com/"),
    ),
    _kind("Discord token", BEGINS + r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27,}"),
    _kind(
        "Discord webhook",
        r"discord(?:app)?\.com/api/webhooks/\d{1,20}/(?P<secret>[\w-]{40,})",
        needs=("discord",),
    ),
    _kind("Telegram bot token", r"(?<!\d)\d{8,10}:[\w-]{35}(?![\w-])", needs=(":",)),
    # money
    _kind("Stripe key", _token("[srp]k_(?:live|test)_", r"[A-Za-z0-9]{10,}")),
    _kind("Stripe webhook secret", _token("whsec_", r"[A-Za-z0-9+/=]{20,}")),
    _kind("Square token", _token("sq0[a-z]{3}-", r"[\w-]{22,}")),
    _kind("Square access token", _token("EAAA", r"[\w-]{56,}", clear=False)),
    _kind("Shopify token", _token("shp(?:at|ca|pa|ss)_", r"[a-fA-F0-9]{32}")),
    _kind(
        "payment card",
        BEGINS + r"(?<!\d[.,])"
        r"(?:\d{4}[ -]\d{4}[ -]\d{4}[ -]\d{1,7}|\d{4}[ -]\d{6}[ -]\d{4,5}|\d{13,19})(?!\d)",
        _payment_card,
    ),
    _kind("US social security number", BEGINS + r"(?<!-)(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),
    # models and data
    _kind("Anthropic key", _token(r"sk-ant-(?:(?:api|admin|oat)\d\d-)?", r"[\w-]{20,}")),
    _kind("OpenAI key", _token("sk-", r"(?=[\w-]{0,60}\d)[\w-]{20,}", clear=False)),
    _kind("Hugging Face token", _token("hf_", r"[A-Za-z0-9]{30,}", clear=False)),
    _kind("Groq key", _token("gsk_", r"[A-Za-z0-9]{40,}")),
    _kind("xAI key", _token("xai-", r"[A-Za-z0-9]{40,}", clear=False)),
    _kind("Perplexity key", _token("pplx-", r"[A-Za-z0-9]{40,}")),
    _kind("Replicate token", _token("r8_", r"[A-Za-z0-9]{36,}", clear=False)),
    _kind("Databricks token", _token("dapi", r"[a-f0-9]{32}(?:-\d)?")),
    _kind("PlanetScale token", _token("pscale_(?:tkn|pw|oauth)_", r"[\w.-]{30,}")),
    _kind("Supabase token", _token("sb[ps]_", r"[A-Za-z0-9_]{36,}", clear=False)),
    _kind("NVIDIA key", _token("nvapi-", r"[\w-]{40,}")),
    _kind("LangSmith key", _token("lsv2_(?:pt|sk)_", r"[a-f0-9]{32}_[a-f0-9]{10}")),
    _kind("Tavily key", _token("tvly-", r"(?:(?:dev|prod)-)?[A-Za-z0-9]{20,}")),
    # operations
    _kind(
        "Datadog key",
        r"(?i:dd|datadog)[ _-]?(?i:(?:api|app|application)[ _-]?key)\W{1,6}(?P<secret>[a-f0-9]{32,40})",
        needs=("datadog", "dd"),
    ),
    _kind("New Relic key", _token("NR(?:AK|II|JS|AL|RA)-", r"[A-Za-z0-9]{19,}", clear=False)),
    _kind("Grafana token", _token("gl(?:sa|c)_", r"[A-Za-z0-9+/=_]{32,}"), sort=_sealed),
    _kind("Vault token", _token(r"hv[sbr]\.", r"[\w-]{20,}", clear=False)),
    _kind("Doppler token", _token(r"dp\.(?:pt|st|ct|sa|scim|audit)\.", r"[\w.-]{30,}")),
    _kind("Heroku key", _token("HRKU-", r"[\w-]{30,}")),
    _kind("Netlify token", _token("nfp_", r"[A-Za-z0-9]{36,}", clear=False)),
    _kind("Okta token", r"SSWS[ \t]{1,8}(?P<secret>[\w-]{30,})"),
    _kind("Tailscale key", _token("tskey-(?:[a-z]{2,12}-)?", r"[A-Za-z0-9]{8,}(?:-[A-Za-z0-9]{8,})?")),
    _kind("1Password service account token", _token("ops_", r"eyJ[\w-]{40,}={0,2}", clear=False), sort=_sealed),
    # mail, telephone, office
    _kind("Resend key", _token("re_", r"[A-Za-z0-9]{8}_[A-Za-z0-9]{20,32}(?!\w)", clear=False), _is_drawn),
    _kind("HubSpot token", _token(r"pat-[a-z]{2}\d-", _UUID_SHAPE)),
    _kind(
        "Asana token",
        BEGINS + r"(?<![/.])[012]/\d{10,20}(?:/\d{10,20})?:(?P<secret>[a-f0-9]{32})(?![a-f0-9])",
        needs=("/",),
    ),
    _kind("Twilio key", BEGINS + r"(?:SK|AC)[0-9a-f]{32}(?![A-Za-z0-9])"),
    _kind("SendGrid key", _token(r"SG\.", r"[\w-]{16,64}\.[\w-]{16,}", clear=False)),
    _kind("Brevo key", _token("xkeysib-", r"[a-f0-9]{40,}[\w-]*")),
    _kind("Mailgun key", _token("key-", r"[0-9a-f]{32}(?![0-9a-f])", clear=False)),
    _kind("Mailchimp key", r"(?<![0-9a-f])[0-9a-f]{32}-us\d{1,2}(?!\d)", needs=("-us",)),
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
    _kind("age secret key", _token("AGE-SECRET-KEY-1", r"[0-9A-Z]{50,}"), sort=_sealed),
    _kind(
        "JWT",
        r"eyJ(?:(?<![\w-]eyJ)|(?<=\\[nrt]eyJ))[\w-]{8,}+\.[\w-]{4,}+\.[\w-]*+(?:\.[\w-]++){0,2}",
        sort=_jwt,
    ),
    _kind("private key in base64", r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{66,}={0,2}", _is_private_pem, sort=made),
    _kind(
        "PuTTY private key",
        r"Private-Lines: \d{1,4}(?P<secret>(?:(?:\\n|\s){1,4}[A-Za-z0-9+/=]{4,64}(?![\w:-]))++)",
    ),
    _kind("PuTTY private key's seal", r"Private-(?:MAC|Hash): (?P<secret>[0-9a-f]{40,64})"),
    _kind(
        "Bitcoin private key",
        BEGINS + r"(?:[5KL][1-9A-HJ-NP-Za-km-z]{50,51}|[xyz]prv[1-9A-HJ-NP-Za-km-z]{100,112})(?![\w])",
    ),
    _kind(
        "password hash",
        r"\$(?:[1567y]|gy|2[abxy]?|apr1|sha1|argon2(?:id|i|d)|scrypt|pbkdf2(?:-[\w-]{1,12})?)\$[\w./,=$+-]{12,512}"
        r"|(?<![\w$])(?:pbkdf2_sha(?:1|256|512)|bcrypt_sha256|argon2)\$[\w./,=$+-]{20,512}"
        r"|\{(?:S?SHA|S?MD5|S?SHA256|S?SHA512|CRYPT)\}[A-Za-z0-9+/.$]{13,256}={0,2}"
        r"|SCRAM-SHA-256\$\d{1,8}:[\w+/=]{8,100}\$[\w+/=]{20,100}:[\w+/=]{20,100}",
        needs=("$", "}"),
    ),
    _kind("Windows password hash", r":\d{1,10}:(?P<secret>[0-9a-fA-F]{32}:[0-9a-fA-F]{32}):::", needs=(":::",)),
    _kind(
        "token in a URL",
        r"://(?P<secret>[\w.~%+-]{16,256})(?::[^\s/@]{0,64})?@(?=[^\s@])",
        _in_a_url,
        sort=made,
        needs=("://",),
    ),
)
