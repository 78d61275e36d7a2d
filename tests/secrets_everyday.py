"""Secrets as everyday calls hold them, and what looks like one and is none. Put together at run time.

`docs/secrets.md` publishes the rates; `tests/unit/test_secrets_corpus.py` holds the page against these lists.
"""

from __future__ import annotations

from urllib.parse import quote

from tests.secrets_kinds import CHOSEN, LONG_HEX, STRONG, TOKEN, Everyday, b64, each, named
from tests.secrets_of_programs import NEARLY, PROGRAMS, TABLES

__all__ = ["GROUPS", "LOOKALIKES", "SECRETS", "Everyday"]

PAIRS = each(
    CHOSEN,
    {
        "name and value": lambda s: [{"name": "DB_PASSWORD", "value": s}],
        "Name and Value": lambda s: [{"Name": "MasterUserPassword", "Value": s}],
        "key and value": lambda s: {"tags": [{"key": "api_token", "value": s}]},
        "Key and Value": lambda s: {"Parameters": [{"ParameterKey": "DbPassword", "ParameterValue": s}]},
        "a container's env": lambda s: {
            "spec": {"containers": [{"env": [{"name": "PGPASSWORD", "value": s}]}]}
        },
        "value first": lambda s: {"value": s, "name": "smtp_password"},
        "header objects": lambda s: {"headers": [{"name": "X-Api-Key", "value": s}]},
        "a form's field": lambda s: {"selector": "#login-password", "text": s},
        "a browser's field": lambda s: {"element": "Password field", "ref": "e12", "text": s},
        "an input": lambda s: {"type": "password", "value": s},
        "a variable": lambda s: {"variable": "ADMIN_PASS", "content": s},
        "a list of pairs": lambda s: {"env": [["USER", "ann"], ["DB_PASSWORD", s]]},
        "a pair of its own": lambda s: ["password", s],
        "a value below": lambda s: {"password": {"value": s}},
        "a value of a secret": lambda s: {"secret": {"current": s, "previous": ""}},
        "an object of parts": lambda s: {"api": {"key": s}},
        "a list below": lambda s: {"passwords": [s]},
        "name and value in JSON text": lambda s: {"body": '[{"name": "DB_PASSWORD", "value": "' + s + '"}]'},
        "name and value in YAML": lambda s: {"manifest": f"env:\n  - name: DB_PASSWORD\n    value: {s}\n"},
        "name and value in quoted YAML": lambda s: {"manifest": f'- name: DB_PASSWORD\n  value: "{s}"\n'},
        "a pair in JSON text": lambda s: {"body": f'[["api_key", "{s}"]]'},
    },
)
ARGUMENTS = each(
    CHOSEN,
    {
        "flag and next": lambda s: {"argv": ["tool", "--password", s]},
        "flag with equals": lambda s: {"argv": ["tool", f"--password={s}"]},
        "token flag": lambda s: ["gh", "--token", s, "pr", "list"],
        "api key flag": lambda s: ["tool", "--api-key", s],
        "flag in camelCase": lambda s: ["tool", "--dbPassword", s],
        "sshpass": lambda s: ["sshpass", "-p", s, "ssh", "db1"],
        "ldapsearch": lambda s: ["/usr/bin/ldapsearch", "-x", "-w", s],
        "redis-cli": lambda s: {"command": "redis-cli", "args": ["-a", s, "ping"]},
        "curl as a list": lambda s: ["curl", "-u", f"ann:{s}", "https://acme.example"],
        "mysql as a list": lambda s: ["mysql", "-u", "root", f"-p{s}", "shop"],
        "docker login": lambda s: {"command": f"docker login -u ann -p {s} r.example"},
        "sshpass in a line": lambda s: {"command": f"sshpass -p {s} ssh db1"},
        "mysql in a line": lambda s: {"command": f"mysql -u root -p{s} shop"},
        "ldapsearch in a line": lambda s: {"command": f"ldapsearch -x -D cn=a -w {s} -b dc=b"},
        "flag in a line": lambda s: {"command": f"tool --token {s} run"},
        "flag with equals in a line": lambda s: {"command": f"tool --db-password={s} run"},
        "plink": lambda s: {"command": f"plink -ssh ann@db1 -pw {s} uptime"},
        "zip": lambda s: {"command": f"zip -r -P {s} out.zip src"},
        "keytool": lambda s: {"command": f"keytool -list -storepass {s}"},
        "keytool as a list": lambda s: ["keytool", "-list", "-storepass", s],
        "openssl": lambda s: {"command": f"openssl rsa -in k.pem -passin pass:{s}"},
        "curl": lambda s: {"command": f"curl -u ann:{s} https://acme.example"},
        "curl, long": lambda s: {"command": f"curl --user ann:{s} https://acme.example"},
    },
)
ASSIGNED = each(
    STRONG.replace("&", "-"),
    {
        "PGPASSWORD": lambda s: {"command": f"PGPASSWORD={s} psql -h db"},
        "MYSQL_PWD": lambda s: {"command": f"MYSQL_PWD={s} mysql"},
        "a name that ends in PASS": lambda s: {"command": f"SMTP_PASS={s} ./send"},
        "export": lambda s: {"script": f"export DB_PASSWORD='{s}'\nrun"},
        ".env": lambda s: {"content": f"A=1\nAPI_TOKEN={s}\nB=2\n"},
        "YAML": lambda s: {"content": f"db:\n  user: ann\n  password: {s}\n"},
        "ini": lambda s: {"content": f"[db]\npassword = {s}\n"},
        "properties": lambda s: {"content": f"spring.datasource.password={s}\n"},
        "Python": lambda s: {"content": f'client = Client(api_key="{s}")'},
        "JSON text": lambda s: {"body": '{"user": "ann", "password": "' + s + '"}'},
        "JSON in JSON text": lambda s: {"body": '{"a": "{\\"password\\": \\"' + s + '\\"}"}'},
        "pw": lambda s: {"content": f"user=ann pw={s}"},
        "pass": lambda s: {"content": f"user=ann pass={s}"},
        "a longer name": lambda s: {"content": f"DB_PASSWORD_OLD={s}"},
        "setx": lambda s: {"command": f"setx DB_PASSWORD {s}"},
        "Dockerfile": lambda s: {"content": f"ENV DB_PASSWORD={s}\n"},
        "SQL": lambda s: {"query": f"ALTER USER ann WITH PASSWORD '{s}'"},
        "SQL, with quotation marks": lambda s: {"query": f'SET PASSWORD FOR ann = "{s}"'},
        "SQL, identified by": lambda s: {"query": f"CREATE USER ann IDENTIFIED BY '{s}'"},
        "a connection string": lambda s: {"conn": f"Server=db;User Id=sa;Password={s};Encrypt=yes"},
        "a connection string's Pwd": lambda s: {"connection_string": f"Driver=x;Uid=sa;Pwd={s};"},
        "a DSN in words": lambda s: {"dsn": f"host=db user=ann password={s} dbname=shop"},
        "a data source of Go": lambda s: {"dsn": f"ann:{s}@tcp(db:3306)/shop"},
        "an address": lambda s: {"database_url": f"postgres://ann:{s}@db:5432/shop"},
        "an address of AMQP": lambda s: {"broker": f"amqps://ann:{s}@mq.example/vhost"},
        "an address in a sentence": lambda s: {"note": f"use mongodb+srv://ann:{s}@c0.example/shop today"},
        ".netrc": lambda s: {"content": f"machine api.example login ann password {s}"},
        ".netrc in lines": lambda s: {"content": f"machine api.example\n  login ann\n  password {s}\n"},
        ".pgpass": lambda s: {"content": f"db.example:5432:shop:ann:{s}\n"},
        "a sentence": lambda s: {"note": f"the password is {s} for now"},
        "percent-encoded": lambda s: {"body": f"user%3Dann%26password%3D{s}"},
        "percent-encoded JSON": lambda s: {"url": f"https://a.example/?q=%7B%22password%22%3A%22{s}%22%7D"},
        "a form": lambda s: {"body": f"grant_type=password&username=ann&password={s}"},
        "a query": lambda s: {"url": f"https://a.example/in?user=ann&password={s}#top"},
        "look-alike letters": lambda s: {"content": f"p\u0430ssword={s}"},
        "full-width letters": lambda s: {"content": f"\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44={s}"},
    },
)
MARKED_UP = each(
    CHOSEN,
    {
        "XML element": lambda s: {"body": f"<user>ann</user><password>{s}</password>"},
        "XML element with a prefix": lambda s: {"body": f'<wsse:Password Type="t">{s}</wsse:Password>'},
        "XML with CDATA": lambda s: {"body": f"<password><![CDATA[{s}]]></password>"},
        "XML attribute": lambda s: {"body": f'<server username="ann" password="{s}"/>'},
        "XML key and value": lambda s: {"body": f'<add key="DbPassword" value="{s}" />'},
        "XML named element": lambda s: {"body": f'<property name="hibernate.password">{s}</property>'},
        "XML string of Android": lambda s: {"body": f'<string name="api_key">{s}</string>'},
        "XML in camelCase": lambda s: {"body": f"<clientSecret>{s}</clientSecret>"},
        "plist": lambda s: {"body": f"<key>password</key>\n  <string>{s}</string>"},
        "XML name and value": lambda s: {"body": f"<name>javax.password</name>\n<value>{s}</value>"},
        "an input of HTML": lambda s: {"html": f'<input type="password" value="{s}">'},
    },
)
SIGNED = each(
    LONG_HEX,
    {
        "X-Amz-Signature": lambda s: {"url": f"https://b.s3.example/k?X-Amz-Expires=60&X-Amz-Signature={s}"},
        "X-Goog-Signature": lambda s: {"url": f"https://s.example/k?X-Goog-Expires=60&X-Goog-Signature={s}"},
        "an unversioned signature": lambda s: {"url": f"https://s.example/k?Expires=1&Signature={s}"},
        "a signature's header": lambda s: {"headers": {"X-Hub-Signature-256": f"sha256={s}"}},
        "a signature's header in text": lambda s: {"command": f"curl -H 'X-Hub-Signature-256: sha256={s}' u"},
        "an hmac": lambda s: {"hmac": s},
        "a signature": lambda s: {"signature": s},
        "AWS's authorization": lambda s: {
            "headers": {
                "Authorization": f"AWS4-HMAC-SHA256 Credential=x/1/y, SignedHeaders=host, Signature={s}"
            }
        },
        "0x private key": lambda s: {"private_key": f"0x{s}"},
        "0x private key behind a flag": lambda s: {"command": f"cast send --private-key 0x{s} x"},
        "0x private key assigned": lambda s: {"content": f"DEPLOYER_PRIVATE_KEY=0x{s}\n"},
        "0x private key in a sentence": lambda s: {"note": f"the private key is 0x{s}"},
        "PuTTY's seal": lambda s: {"content": f"Private-MAC: {s}\n"},
    },
) + each(
    TOKEN,
    {
        "sig of Azure": lambda s: {"url": f"https://a.example/c?sv=2022&se=1&sig={s}%3D"},
        "OAuth code": lambda s: {"url": f"https://a.example/cb?code={s}&state=x"},
        "OAuth code in a form": lambda s: {"body": f"grant_type=authorization_code&code={s}"},
        "OAuth code as a key": lambda s: {"code": s},
        "OAuth token in a fragment": lambda s: {"url": f"https://a.example/cb#access_token={s}&expires_in=60"},
        "code verifier": lambda s: {"code_verifier": s},
        "a token in an address": lambda s: {"remote": f"https://{s}@git.example/a/b.git"},
        "a token as user": lambda s: {"remote": f"https://x-access-token:{s}@git.example/a/b.git"},
    },
)
HEADERS = [
    *each(TOKEN, {
        "Bearer": lambda s: {"headers": {"Authorization": f"Bearer {s}"}},
        "token": lambda s: {"headers": {"Authorization": f"token {s}"}},
        "ApiKey": lambda s: {"headers": {"Authorization": f"ApiKey {s}"}},
        "SSWS": lambda s: {"headers": {"Authorization": f"SSWS {s}"}},
        "Proxy-Authorization": lambda s: {"Proxy-Authorization": f"Bearer {s}"},
        "Bot": lambda s: {"headers": {"authorization": f"Bot {s}"}},
        "Bearer in a pair": lambda s: {"headers": [["Accept", "*/*"], ["Authorization", f"Bearer {s}"]]},
        "Bearer in two elements": lambda s: ["Authorization", f"Bearer {s}"],
        "Bearer in a line": lambda s: {"command": f"curl -H 'Authorization: Bearer {s}' https://a.example"},
        "Bearer as an argument": lambda s: ["curl", "-H", f"Authorization: Bearer {s}"],
        "Bearer percent-encoded": lambda s: {"q": f"Authorization%3A%20Bearer%20{s}"},
        "Cookie": lambda s: {"headers": {"Cookie": f"sid={s}; theme=dark"}},
        "X-Auth-Token": lambda s: {"headers": {"X-Auth-Token": s}},
    }),
    *each(b64("ann:" + CHOSEN), {
        "Basic": lambda s: {"headers": {"Authorization": f"Basic {s}"}},
        "Basic in a line": lambda s: {"command": f"curl -H 'Authorization: Basic {s}' https://a.example"},
        "auth of a registry": lambda s: {"auths": {"r.example": {"auth": s}}},
    }),
]  # fmt: skip
HASHES = [
    Everyday(kind=kind, call={"content": text.replace("{}", secret)}, secret=secret)
    for kind, text, secret in (
        ("bcrypt", "ann,{},admin", "$2b$" + "12$" + TOKEN + "aZ3kQ9mX7vB2n"),
        ("shadow", "ann:{}:19000:0:99999:7:::", "$6$" + "rounds=5000$aZ3kQ9$" + TOKEN * 2),
        ("yescrypt", "root:{}:19000::::::", "$y$" + "j9T$" + TOKEN),
        ("argon2", "hash {} end", "$argon2id$" + "v=19$m=65536,t=3,p=4$" + TOKEN),
        ("htpasswd", "ann:{}", "$apr1$" + "aZ3kQ9$" + TOKEN[:22]),
        ("LDAP's hash", "userPassword: {}", "{SS" + "HA}" + TOKEN),
        ("Django's hash", "({})", "pbkdf2_sha256" + "$600000$aZ3kQ9$" + TOKEN + "="),
        ("SCRAM", "'{}'", "SCRAM-SHA-256" + "$4096:" + TOKEN[:24] + "$" + TOKEN + ":" + TOKEN),
        ("Windows's hash", "Administrator:500:{}:::", LONG_HEX[:32] + ":" + LONG_HEX[:32]),
    )
]
_PUTTY = "\n".join(TOKEN[:32] + TOKEN[:32] for _ in range(3)) + "\n" + TOKEN[:24]
KEYS = [
    Everyday(
        kind="PuTTY key",
        call={
            "content": f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 4\n{_PUTTY}\nPrivate-MAC: {LONG_HEX}"  # noqa: E501
        },
        secret=TOKEN[:32] * 2,
    ),
    Everyday(kind="Bitcoin key", call={"note": "sweep 5" + "KJvsngHeM" + TOKEN + "z"}, secret=TOKEN),
    Everyday(
        kind="kubeconfig as text",
        call={"kubeconfig": f"users:\n- user:\n    token: {TOKEN}\n"},
        secret=TOKEN,
        approvable=False,
    ),
    Everyday(
        kind="kubeconfig in a file",
        call={"content": "    client-key-data: " + b64("-----BEGIN " + "RSA PRIVATE KEY-----\n" + TOKEN * 6)},
        secret=b64(TOKEN * 3)[8:40],
    ),
    Everyday(
        kind="mnemonic",
        call={
            "mnemonic": "abandon ability able about above absent absorb abstract absurd abuse access accident"
        },
        secret="ability able about",
        approvable=False,
    ),
    Everyday(
        kind="seed phrase",
        call={"wallet": {"seedPhrase": "abandon ability able about above absent absorb abstract absurd abuse"}},
        secret="ability able about",
        approvable=False,
    ),
    Everyday(kind="passphrase in one token", call={"password": "correct-horse-battery-staple"}, secret="horse"),
    Everyday(
        kind="passphrase in words", call={"password": "correct horse battery"}, secret="horse", approvable=False
    ),
    Everyday(
        kind="SAMLResponse",
        call={"body": "SAMLResponse=" + quote(b64("<samlp:Response>" + TOKEN * 3), safe="") + "&RelayState=x"},
        secret=b64(TOKEN * 2)[8:40],
        approvable=False,
    ),
    Everyday(
        kind="SAMLResponse as a key",
        call={"SAMLResponse": b64("<samlp:Response>" + TOKEN * 3)},
        secret=b64(TOKEN * 2)[8:40],
        approvable=False,
    ),
]
CODED = [
    Everyday(kind="base64 under a name", call={"data": {"password": b64(CHOSEN)}}, secret=b64(CHOSEN).rstrip("=")),  # noqa: E501
    Everyday(
        kind="base64 of an assignment",
        call={"blob": b64("user=ann password=" + STRONG)},
        secret=b64("user=ann password=" + STRONG)[12:30],
        approvable=False,
    ),
    Everyday(kind="base64 of a token", call={"blob": b64("gh" + "p_" + TOKEN)}, secret=b64("gh" + "p_" + TOKEN)[:40]),  # noqa: E501
    Everyday(
        kind="base64 of JSON",
        call={"blob": b64('{"client_secret":"' + TOKEN + '"}')},
        secret=b64('{"client_secret":"' + TOKEN + '"}')[24:50],
        approvable=False,
    ),
    Everyday(kind="percent-encoded address", call={"u": quote(f"redis://:{CHOSEN}@cache:6379", safe="")}, secret=CHOSEN,  # noqa: E501
             approvable=False),
    Everyday(kind="hex under a name", call={"token": CHOSEN.encode().hex()}, secret=CHOSEN.encode().hex()),
]  # fmt: skip
NAMED = [
    *named(
        "pw, pass, db_pass, rootPass, user-pass, PASSWD, passphrase, new_password, passwordConfirmation, "
        "p\u0430ssword, \uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44, PassWord, pass-word, pässword, p@ssw0rd, "  # noqa: E501
        "pass\u200bword, \u1d18\u1d00\ua731\ua731\u1d21\u1d0f\u0280\u1d05, Kennwort, 비밀번호, smtpPassword, wifi password",  # noqa: E501
        CHOSEN,
    ),
    *named(
        "t\u043eken, api-secret, apiSecret, webhook_secret, signingSecret, x-api-key, sessionToken, idToken, "
        "client_secret, ConsumerSecret, refresh_token, auth-key, csrfToken, secretKey, APIKEY",
        TOKEN,
    ),
]

#: Kinds of secret by where they are, as `docs/secrets.md` counts them.
GROUPS: dict[str, list[Everyday]] = {
    "names and values": PAIRS,
    "command lines": ARGUMENTS,
    "assignments and files": ASSIGNED,
    "XML and HTML": MARKED_UP,
    "signatures and codes": SIGNED,
    "headers": HEADERS,
    "password hashes": HASHES,
    "keys and phrases": KEYS,
    "encoded": CODED,
    "other spellings of names": NAMED,
    "tables": TABLES,
    "programs": PROGRAMS,
}
SECRETS: tuple[Everyday, ...] = tuple(secret for group in GROUPS.values() for secret in group)

_SHA = "9fceb02d0ae598e95dc970b74767f19372d61af8"
_UUID = "bc4d0a77-7800-470e-a91c-7fd663a66b4d"
#: What an approver needs, and looks like a secret: none of it may be masked.
LOOKALIKES: tuple[Everyday, ...] = tuple(
    Everyday(kind=kind, call=call)
    for kind, call in {
        "git sha": {"commit": _SHA, "note": f"revert {_SHA}"},
        "git sha in a list": ["git", "checkout", _SHA],
        "image digest": {"image": f"r.example/app@sha256:{LONG_HEX}"},
        "checksum": {"note": f"sha256={LONG_HEX} app.tar.gz"},
        "transaction": {"tx_hash": f"0x{LONG_HEX}"},
        "UUID": {"id": _UUID, "key": _UUID, "session_user": _UUID},
        "order number": {"order": "2024-000123456", "key": "INV-88231", "code": "ORD-2024-0001"},
        "port flag": ["docker", "run", "-p", "8080:80", "nginx"],
        "port flag in a line": {"command": "docker run -p 8080:80 nginx; ssh -p 2222 db1"},
        "mkdir -p": {"command": "mkdir -p /srv/data", "argv": ["mkdir", "-p", "/srv/data1"]},
        "-w flag": {"command": "docker run -w /srv app; grep -w word file; ping -w 5 host"},
        "-w flag in a list": ["grep", "-w", "hunter2", "file"],
        "-a flag": ["ls", "-a", "dir1"],
        "status code": {"code": 200, "note": "code=200, exit code: 1", "url": "https://a.example/x?code=200"},
        "country code": {"code": "DE", "url": "https://a.example/x?code=DE&state=active"},
        "error code": {"code": "ERR_CONNECTION_REFUSED", "state": "in_progress"},
        "program code": {"code": "print('hello')\nfor i in range(3):\n    run(i)"},
        "test results": {"pass": True, "passed": 12, "note": "12 passed, pass rate: 98%"},
        "signature of a letter": {"signature": "Best regards,\nAnn Smith"},
        "signature of a function": {"signature": "def run(self, x: int) -> None"},
        "token counts": {"max_tokens": 4096, "token_count": 12, "tokens": 300},
        "token's type": {"token_type": "bearer", "auth": "none", "auth_method": "basic"},
        "token in code": {"content": "def f(token: str, password: str | None = None) -> str: ..."},
        "token from a call": {"content": "token = get_token(request)\npassword = os.environ['DB_PASSWORD']"},
        "reference": {"password": "${DB_PASSWORD}", "command": "curl -H 'Authorization: Bearer $TOKEN' u"},
        "reference of a workflow": {"env": {"API_TOKEN": "${{ secrets.API_TOKEN }}"}},
        "stars": {"password": "********"},
        "password policy": {"password_policy": "at least 12 characters", "password_length": 12},
        "name of a secret": {"secret_name": "prod/db", "tokenUrl": "https://a.example/token"},
        "fields of a form": {"fields": ["password", "email"], "columns": ["token", "name"]},
        "two words": ["token", "economy"],
        "names without values": [{"name": "password", "required": True, "description": "the user's password"}],
        "env that is none": [{"name": "LOG_LEVEL", "value": "debug"}, {"name": "PORT", "value": "8080"}],
        "tags": [{"Key": "team", "Value": "payments"}, {"Key": "cost", "Value": "cc-1234"}],
        "flag that is none": ["tool", "--user", "ann", "--output", "json", "--password-file", "/run/x"],
        "flag before a flag": ["tool", "--password", "--verbose"],
        "XML": {"body": "<order><code>AB12</code><amount>5</amount><name>key</name></order>"},
        "key of a plist": {"body": "<key>CFBundleName</key><string>App</string>"},
        "IBAN": {"iban": "DE89370400440532013000", "bic": "COBADEFFXXX"},
        "e-mail": {"to": "jane.doe@example.com", "cc": ["ann@acme.example"]},
        "address": {"url": "https://acme.example:8443/pay?id=12&ref=AB-77#top"},
        "address with a user": {"remote": "ssh://git@git.example/a/b.git", "db": "postgres://ann@db/shop"},
        "port range": {"ports": "8000:8010", "map": "10.0.0.1:5432:5432"},
        "date": {"at": "2026-03-02T12:00:00+00:00", "state": "2026-03-02T12:00:00Z"},
        "version": {"key": "v1.2.3-rc.4+build.567", "version": "1.2.3"},
        "phone": {"phone": "+49 30 1234567", "pager": "555-01-99999"},
        "colour and MAC": {"colour": "#a1b2c3", "mac": "00:1a:2b:3c:4d:5e"},
        "coordinates": {"lat": 52.520008, "lon": 13.404954},
        "base64 picture": {"src": "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4" * 2},  # noqa: E501
        "base64 of prose": {"content": b64("Dear Jane, the meeting is moved to Monday at ten. Best, Ann")},
        "prose": {"note": "Passwords must be long. Keep it secret! The pass is closed; pin it to the wall."},
        "keyboard": {"shortcut": "ctrl+shift+k", "keymap": "compass", "author": "Ann", "secretary": "Bob"},
        "below a name": {"session": {"command": "reboot", "host": "db-1.internal", "retries": 3}},
        "beside a password": {"auth": {"user": "ann", "host": "db.example", "port": 5432}},
        "SQL": {"query": "SELECT token_count FROM usage WHERE session_state = 'open' LIMIT 5"},
        "certificate": {"ca": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t" + TOKEN * 3},
        "public key": {"key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + TOKEN[:39] + " ann@laptop"},
        "ARN": {"role": "arn:aws:iam::123456789012:role/deploy-prod"},
        "queue address": {"queue": "https://sqs.eu-1.example/123456789012/orders-prod"},
        "hashtag": {"text": "release #2024 is out, see PR 1234 and issue 77 (key result 3)"},
        "file list": {"files": ["src/token.py", "tests/test_password.py", "secrets.md"]},
        **NEARLY,
    }.items()
)  # fmt: skip
