"""Planted secrets, one and more of each kind, put together at run time: no scanner finds one in this file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from itertools import cycle, islice

HEX = "0f9a3b7c2d8e6451"
ALNUM = "aZ3kQ9mX7vB2nL5tR8wY1cD4"
UPPER = "Q3Z7K2M9X5B4N6L8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A secret of one kind and the text around it; `secret` is the part of `text` that must not be seen."""

    kind: str
    text: str
    secret: str


def _of(alphabet: str, length: int) -> str:
    return "".join(islice(cycle(alphabet), length))


def _bare(kind: str, *pieces: str) -> Planted:
    secret = "".join(pieces)
    return Planted(kind=kind, text=secret, secret=secret)


def _within(kind: str, before: str, secret: str, after: str = "") -> Planted:
    return Planted(kind=kind, text=f"{before}{secret}{after}", secret=secret)


def _pem(label: str) -> str:
    body = "\n".join(_of(ALNUM, 64) for _ in range(6))
    return f"-----{'BEGIN'} {label}-----\n{body}\n-----{'END'} {label}-----"


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _jwt() -> str:
    header, payload = _encoded('{"alg":"HS256","typ":"JWT"}'), _encoded('{"sub":"1234567890","name":"Ann"}')
    return f"{header}.{payload}.{_of(ALNUM, 43)}"


_CLOUDS = (
    _bare("AWS access key id", "AK", "IA", _of(UPPER, 16)),
    _bare("AWS session key id", "AS", "IA", _of(UPPER, 16)),
    _within("AWS secret access key", "aws_secret_access_key = ", _of(ALNUM + "/+", 40)),
    _bare("Google API key", "AI", "za", _of(ALNUM, 35)),
    _bare("Google OAuth token", "ya", "29.", _of(ALNUM, 60)),
    _bare("Google refresh token", "1/", "/0", _of(ALNUM, 40)),
    _bare("Google client secret", "GOC", "SPX-", _of(ALNUM, 28)),
    _within("Azure account key", "AccountName=acme;AccountKey=", _of(ALNUM, 86) + "==", ";Suffix=x"),
    _within("Azure SAS signature", "https://acme.example/c/b?sv=2022&sig=", _of(ALNUM, 40) + "%3D"),
    _bare("Azure client secret", "abc", "8Q~", _of(ALNUM, 34)),
    _bare("DigitalOcean token", "dop", "_v1_", _of(HEX, 64)),
    _bare("Alibaba access key id", "LT", "AI", _of(ALNUM, 20)),
    _bare("Fly token", "fm", "2_", _of(ALNUM, 80)),
)
_CODE = (
    *(_bare(f"GitHub token {letter}", f"gh{letter}", "_", _of(ALNUM, 36)) for letter in "pousr"),
    _bare("GitHub fine-grained token", "github", "_pat_", _of(ALNUM, 22), "_", _of(ALNUM, 59)),
    _bare("GitLab token", "gl", "pat-", _of(ALNUM, 20)),
    _bare("Atlassian token", "ATA", "TT3", _of(ALNUM, 180)),
    _bare("npm token", "np", "m_", _of(ALNUM, 36)),
    _bare("PyPI token", "py", "pi-", "AgEIcHlwaS5vcmc", _of(ALNUM, 80)),
    _bare("RubyGems token", "ruby", "gems_", _of(HEX, 48)),
    _bare("Docker Hub token", "dckr", "_pat_", _of(ALNUM, 27)),
    _bare("Terraform Cloud token", _of(ALNUM, 14), ".atlas", "v1.", _of(ALNUM, 67)),
    _bare("Pulumi token", "pu", "l-", _of(HEX, 40)),
    _bare("Sentry token", "sntr", "yu_", _of(HEX, 64)),
    _bare("Postman key", "PM", "AK-", _of(HEX, 24), "-", _of(HEX, 34)),
    _bare("Figma token", "fig", "d_", _of(ALNUM, 40)),
)
_CODE_TOO = (
    _bare("CircleCI token", "CCI", "PAT_", _of(ALNUM, 22), "_", _of(HEX, 40)),
    _bare("Buildkite token", "bk", "ua_", _of(HEX, 40)),
    _bare("NuGet key", "oy", "2", _of(HEX, 43)),
    _bare("JFrog key", "AK", "Cp", _of(ALNUM, 69)),
    _bare("Sourcegraph token", "sg", "p_", _of(HEX, 16), "_", _of(HEX, 40)),
)
_CHATS = (
    *(
        _bare(f"Slack token xox{letter}", f"xo{'x'}{letter}", "-1234567890-", _of(ALNUM, 24))
        for letter in "bpar"
    ),
    _bare("Slack app token", "xa", "pp-1-A0", _of(UPPER, 10), "-", _of(HEX, 64)),
    _within(
        "Slack webhook",
        "https://hooks.slack." + "com/services/",
        f"T0{_of(UPPER, 8)}/B0{_of(UPPER, 8)}/{_of(ALNUM, 24)}",
    ),
    _within(
        "Teams webhook", "https://acme.webhook." + "office.com/webhookb2/", f"{_of(HEX, 36)}@{_of(HEX, 36)}"
    ),
    _bare("Discord token", "M", _of(ALNUM, 23), ".", _of(ALNUM, 6), ".", _of(ALNUM, 38)),
    _within("Discord webhook", "https://discord." + "com/api/webhooks/1234567890/", _of(ALNUM, 68)),
    _bare("Telegram bot token", "123456789", ":", "AA", _of(ALNUM, 33)),
)
_MONEY = (
    *(_bare(f"Stripe key {kind}", kind, "_live_", _of(ALNUM, 24)) for kind in ("sk", "rk")),
    _bare("Stripe test key", "sk", "_test_", _of(ALNUM, 24)),
    _bare("Stripe webhook secret", "wh", "sec_", _of(ALNUM, 32)),
    _bare("Square token", "sq0", "atp-", _of(ALNUM, 22)),
    _bare("Square access token", "EA", "AA", _of(ALNUM, 60)),
    _bare("Shopify token", "shp", "at_", _of(HEX, 32)),
    _bare("payment card", "4111", " 1111", " 1111", " 1111"),
    _bare("payment card, Amex", "3782", "822463", "10005"),
    _bare("US social security number", "219", "-09", "-9999"),
)
_DATA = (
    _bare("Anthropic key", "sk-", "ant-api03-", _of(ALNUM, 90)),
    _bare("OpenAI key", "sk", "-", _of(ALNUM, 48)),
    _bare("OpenAI project key", "sk-", "proj-", _of(ALNUM, 120)),
    _bare("Hugging Face token", "h", "f_", _of(ALNUM, 34)),
    _bare("Groq key", "gs", "k_", _of(ALNUM, 52)),
    _bare("xAI key", "xa", "i-", _of(ALNUM, 80)),
    _bare("Perplexity key", "pp", "lx-", _of(ALNUM, 48)),
    _bare("Replicate token", "r", "8_", _of(ALNUM, 37)),
    _bare("Databricks token", "da", "pi", _of(HEX, 32)),
    _bare("PlanetScale token", "pscale", "_tkn_", _of(ALNUM, 43)),
    _bare("NVIDIA key", "nv", "api-", _of(ALNUM, 64)),
    _bare("LangSmith key", "ls", "v2_pt_", _of(HEX, 32), "_", _of(HEX, 10)),
    _bare("Tavily key", "tv", "ly-dev-", _of(ALNUM, 32)),
    _bare("Supabase token", "sb", "p_", _of(HEX, 40)),
)
_OPERATIONS = (
    _within("Datadog key", "DD_API_KEY=", _of(HEX, 32)),
    _bare("New Relic key", "NR", "AK-", _of(UPPER, 27)),
    _bare("Grafana token", "gl", "sa_", _of(ALNUM, 32), "_", _of(HEX, 8)),
    _bare("Vault token", "hv", "s.", _of(ALNUM, 24)),
    _bare("Doppler token", "dp", ".pt.", _of(ALNUM, 43)),
    _bare("Heroku key", "HR", "KU-", _of(HEX, 36)),
    _bare("Netlify token", "nf", "p_", _of(ALNUM, 36)),
    _within("Okta token", "SS" + "WS ", _of(ALNUM, 42)),
    _bare("Twilio key", "S", "K", _of(HEX, 32)),
    _bare("Twilio account", "A", "C", _of(HEX, 32)),
    _bare("SendGrid key", "S", "G.", _of(ALNUM, 22), ".", _of(ALNUM, 43)),
    _bare("Brevo key", "xkey", "sib-", _of(HEX, 64), "-", _of(ALNUM, 16)),
    _bare("Mailgun key", "ke", "y-", _of(HEX, 32)),
    _bare("Mailchimp key", _of(HEX, 32), "-", "us", "17"),
    _bare("Tailscale key", "ts", "key-auth-", _of(ALNUM, 11), "CNTRL-", _of(ALNUM, 33)),
    _bare("Tailscale key without a kind", "ts", "key-", _of(ALNUM, 11), "CNTRL-", _of(ALNUM, 33)),
    _bare(
        "1Password service account token",
        "op",
        "s_",
        _encoded('{"signInAddress":"my.1password.example","k":"x"}'),
    ),
    _bare("Resend key", "r", "e_", _of(ALNUM, 8), "_", _of(ALNUM, 24)),
    _bare("HubSpot token", "pa", "t-na1-", "0f9a3b7c-2d8e-4451-9f0a-3b7c2d8e6451"),
    _within("Asana token", "1/" + "1201234567890123:", _of(HEX, 32)),
    _bare("Linear key", "lin", "_api_", _of(ALNUM, 40)),
    _bare("Notion token", "sec", "ret_", _of(ALNUM, 43)),
    _bare("Notion token, new", "nt", "n_", _of(ALNUM, 46)),
    _bare("Airtable token", "pa", "t", _of(ALNUM, 14), ".", _of(HEX, 64)),
)
_ANY_MAKER = (
    *(_bare(f"private key: {label}", _pem(f"{label}PRIVATE KEY")) for label in ("", "RSA ", "EC ", "OPENSSH ")),
    _bare("private key: PGP", _pem("PGP PRIVATE KEY BLOCK")),
    _bare("private key: truncated", _pem("RSA PRIVATE KEY")[:200]),
    _bare("OpenSSH key body", "b3BlbnNzaC1r", "ZXktdjE", _of(ALNUM, 49), "\n", _of(ALNUM, 70)),
    _bare("RSA key body", "MIIE", "pAIBAAKC", "AQEA", _of(ALNUM, 48), "\n", _of(ALNUM, 64)),
    _bare("age secret key", "AGE-SECRET", "-KEY-1", _of(UPPER, 58)),
    _bare("JWT", _jwt()),
    _within("bearer token", "Bearer ", _of(ALNUM, 30)),
    _within("bearer in a header", "Authorization: Bearer ", _of(ALNUM, 30)),
    _within("basic credentials", "Basic ", base64.b64encode(b"ann:correct-horse").decode()),
    _within("authorization header", "authorization: token ", _of(ALNUM, 20)),
    _within("cookie header", "Cookie: ", f"sid={_of(ALNUM, 20)}; theme=dark"),
    _within("password in a URL", "postgres://ann:", "s3cr3t-p@ss", "@db.acme.example:5432/pay"),
    _within("password in a URL, no user", "redis://:", "hunter" + "2", "@cache:6379/0"),
    _within("assignment", "password=", "hunter" + "2", " and go on"),
    _within("assignment with colon", "pwd: ", "correct-horse", ", then"),
    _within("assignment, quoted", 'db_password = "', "correct horse battery", '"'),
    _within("assignment in JSON text", '{"user": "ann", "apiKey": "', "short1one", '", "n": 1}'),
    _within("assignment in JSON in JSON", '{\\"client_secret\\": \\"', "short one", '\\", \\"n\\": 1}'),
    _within("password in a sentence", "the password is ", "hunter" + "2!", " as ever"),
    _within("command-line flag", "mysql --user ann --password ", "hunter" + "2", " pay"),
    _within("curl credentials", "curl -u ann:", "hunter" + "2", " https://acme.example"),
    _within("one-time code", "OTP: ", "493 201"),
    _within("random hex behind a word", "the signing key is ", _of(HEX, 64)),
    _within("random base64 behind a word", "token (", _of(ALNUM + "/+", 42) + "==", ")"),
)

PLANTED: tuple[Planted, ...] = (
    *_CLOUDS,
    *_CODE,
    *_CODE_TOO,
    *_CHATS,
    *_MONEY,
    *_DATA,
    *_OPERATIONS,
    *_ANY_MAKER,
)
