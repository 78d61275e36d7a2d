"""Secrets in tables, and as single programs take them; and what only looks like it."""

from __future__ import annotations

from bot.protocol import Json
from tests.secrets_kinds import CHOSEN, LONG_HEX, each

_UUID = "bc4d0a77-7800-470e-a91c-7fd663a66b4d"
TABLES = each(
    CHOSEN,
    {
        "CSV": lambda s: {"content": f"user,password\nann,{s}\n"},
        "CSV with quotes": lambda s: {"content": f'"name","role","password"\n"Smith, Ann","dba","{s}"\n'},
        "CSV with semicolons": lambda s: {"content": f"user;host;pwd\r\nann;db1;{s}\r\n"},
        "tabs": lambda s: {"content": f"login\tpassword\nann\t{s}\n"},
        "CSV of tokens": lambda s: {"content": f"service,api_key\nmail,{s}\n"},
        "Markdown table": lambda s: {"note": f"| user | password |\n|------|----------|\n| ann | {s} |\n"},
        "Markdown table with marks": lambda s: {"note": f"|User|**DB password**|\n|:-|-:|\n|ann|`{s}`|\n"},
        "table of psql": lambda s: {"out": f" user | passwd \n------+--------\n ann  | {s}\n(1 row)\n"},
        "table of mysql": lambda s: {
            "out": f"+---+---+\n| u | password |\n+---+---+\n| a | {s} |\n+---+---+\n"
        },
        "rows of a sheet": lambda s: {"values": [["user", "password"], ["ann", s]]},
        "rows of a wider sheet": lambda s: {"values": [["user", "host", "password"], ["ann", "db1", s]]},
    },
)
PROGRAMS = each(
    CHOSEN,
    {
        "sudo -S": lambda s: {"command": f"echo {s} | sudo -S systemctl restart app"},
        "sudo -S, quoted": lambda s: {"command": f"echo '{s}' | sudo -kS id"},
        "sudo -S, printf": lambda s: {"command": f"printf '%s\\n' \"{s}\" | sudo -S id"},
        "sudo -S, here-string": lambda s: {"command": f"sudo -S id <<< '{s}'"},
        "docker login from a pipe": lambda s: {
            "command": f"echo {s} | docker login -u ann --password-stdin r.example"
        },
        "gh from a pipe": lambda s: {"command": f"echo {s} | gh auth login --with-token"},
        "passwd from a pipe": lambda s: {"command": f"echo {s} | passwd --stdin ann"},
        "chpasswd": lambda s: {"command": f"echo 'ann:{s}' | sudo chpasswd"},
        "chpasswd, bare": lambda s: {"command": f"echo root:{s}|chpasswd"},
        "chpasswd, here-string": lambda s: {"command": f"chpasswd <<< 'ann:{s}'"},
        "chpasswd, lines": lambda s: {"script": f"chpasswd <<EOF\nbob:x9\nann:{s}\nEOF\n"},
        "chpasswd of cloud-init": lambda s: {"user_data": f"chpasswd:\n  list: |\n    ann:{s}\n"},
        "htpasswd -b": lambda s: {"command": f"htpasswd -b /etc/nginx/users ann {s}"},
        "htpasswd -bc": lambda s: {"command": f"htpasswd -c -B -C 10 -b users ann '{s}'"},
        "htpasswd -nb": lambda s: {"command": f"htpasswd -nbB ann {s} > users"},
        "htpasswd as a list": lambda s: ["htpasswd", "-b", "users", "ann", s],
        "sqlplus": lambda s: {"command": f"sqlplus -S shop/{s}@db.example:1521/XE @run.sql"},
        "sqlplus without a host": lambda s: {"command": f"sqlplus scott/{s}"},
        "expdp": lambda s: {"command": f"expdp userid=shop/{s}@//db:1521/XE dumpfile=a.dmp"},
        "JDBC of Oracle": lambda s: {"url": f"jdbc:oracle:thin:shop/{s}@//db:1521/XE"},
        "PowerShell": lambda s: {"script": f'$p = ConvertTo-SecureString "{s}" -AsPlainText -Force'},
        "PowerShell, named": lambda s: {"script": f"ConvertTo-SecureString -AsPlainText -Force -String '{s}'"},
        "PowerShell, piped": lambda s: {"script": f"'{s}' | ConvertTo-SecureString -AsPlainText -Force"},
        "PowerShell's credential": lambda s: {"script": f'[Net.NetworkCredential]::new("", "x"); New-Object Net.NetworkCredential("ann", "{s}")'},  # noqa: E501
        "Terraform's variable": lambda s: {"content": f'variable "db_password" {{\n  type = string\n  default = "{s}"\n}}'},  # noqa: E501
        "a default in YAML": lambda s: {"template": f"  DbPassword:\n    Type: String\n    Default: {s}\n"},
    },
) + each(
    CHOSEN,
    {
        "curl, flags together": lambda s: {"command": f"curl -sSLu admin:{s} https://acme.example"},
        "curl as a list, admin": lambda s: ["curl", "-su", f"admin:{s}", "https://acme.example"],
        "HTTPie": lambda s: {"command": f"http -a ann:{s} acme.example"},
        "smbclient": lambda s: {"command": f"smbclient //srv/share -U ann%{s}"},
        "lftp": lambda s: {"command": f"lftp -u ann,{s} sftp://db1"},
        "cmdkey": lambda s: {"command": f"cmdkey /add:db1 /user:ann /pass:{s}"},
        "xfreerdp": lambda s: {"command": f"xfreerdp /u:ann /p:{s} /v:db1"},
        "schtasks": lambda s: {"command": f"schtasks /create /tn x /ru ann /rp {s}"},
        "net user": lambda s: {"command": f"net user bob {s} /add"},
        "net use": lambda s: {"command": f"net use \\\\srv\\share /user:shop\\ann {s}"},
        "openssl -k": lambda s: {"command": f"openssl enc -aes-256-cbc -k {s} -in x"},
        "passout as a list": lambda s: ["openssl", "pkcs12", "-export", "-passout", f"pass:{s}"],
        "requirepass": lambda s: {"command": f"redis-cli CONFIG SET requirepass {s}"},
        "redis-cli AUTH": lambda s: {"command": f"redis-cli AUTH default {s}"},
        "rabbitmqctl": lambda s: {"command": f"rabbitmqctl change_password ann {s}"},
        "mc alias": lambda s: {"command": f"mc alias set store https://s3.example admin {s}"},
        "vault login": lambda s: {"command": f"vault login {s}"},
        "unrar": lambda s: {"command": f"unrar x -p{s} a.rar"},
        "snmpget": lambda s: {"command": f"snmpget -v3 -u ann -a SHA -A {s} host"},
        "nmcli": lambda s: {"command": f"nmcli dev wifi connect office password {s}"},
        "poetry": lambda s: {"command": f"poetry config http-basic.acme ann {s}"},
        "swaks": lambda s: {"command": f"swaks -au ann -ap {s}"},
        "az sql": lambda s: {"command": f"az sql server create -u admin -p {s}"},
        "evil-winrm": lambda s: ["evil-winrm", "-i", "db1", "-u", "ann", "-p", s],
        "docker login, joined": lambda s: ["docker", "login", "-u", "ann", f"-p{s}", "r.example"],
        "SSM": lambda s: {"command": f"aws ssm put-parameter --name /prod/db/password --type SecureString --value {s}"},  # noqa: E501
        "SSM as a list": lambda s: ["aws", "ssm", "put-parameter", "--name", "/db/password", "--value", s],
        "Key Vault": lambda s: {"command": f"az keyvault secret set --vault-name v --name DbPassword --value {s}"},  # noqa: E501
        "aws configure": lambda s: {"command": "aws", "args": ["configure", "set", "sso_client_secret", s]},
        "gh secret set": lambda s: {"command": f"gh secret set DB_PASSWORD --body {s}"},
        "npm config set": lambda s: {"command": f"npm config set //r.example/:_password {s}"},
        "pulumi": lambda s: {"command": f"pulumi config set --secret dbPassword {s}"},
        "a secret from a pipe": lambda s: {"command": f"echo -n {s} | gcloud secrets create db --data-file=-"},
        "a secret from a pipe, in a list": lambda s: ["echo", s, "|", "docker", "secret", "create", "db", "-"],
        "passwd in two lines": lambda s: {"command": f"printf {s} | passwd ann"},
        "SSHPASS": lambda s: {"command": f"SSHPASS={s} sshpass -e ssh db1"},
        "psk": lambda s: {"content": f'network={{ssid="x" psk="{s}"}}'},
        "an item of Python": lambda s: {"code": f'os.environ["DB_PASSWORD"] = "{s}"'},
        "a variable called pw": lambda s: {"code": f'$pw = "{s}"'},
        "auth of requests": lambda s: {"code": f'requests.get(url, auth=("ann", "{s}"))'},
        "login of SMTP": lambda s: {"code": f"server.login('ann@acme.example', '{s}')"},
        "connect of MySQL": lambda s: {"code": f'MySQLdb.connect("db1", "root", "{s}", "shop")'},
        "SQL, with a plugin": lambda s: {"query": f"CREATE USER x IDENTIFIED WITH sha256_password BY '{s}'"},
    },
) + each(
    LONG_HEX,
    {
        "cookie of curl": lambda s: {"command": f"curl -b 'sessionid={s}' https://acme.example"},
        "cookie of curl as a list": lambda s: ["curl", "--cookie", f"PHPSESSID={s}", "https://acme.example"],
        "openssl -K": lambda s: ["openssl", "enc", "-aes-256-cbc", "-K", s],
        "a salt": lambda s: {"content": f"WP_AUTH_SALT={s}"},
        "a key of Laravel": lambda s: {"content": f"APP_KEY=base64:{s}"},
        "_auth of npm": lambda s: {"content": f"registry=https://r.example\n_auth={s}\n"},
    },
) + each(
    LONG_HEX[:32],
    {
        "webhook of Teams": lambda s: {"url": f"https://a.webhook.office.com/webhookb2/{_UUID}@{_UUID}/IncomingWebhook/{s}/{_UUID}"},
        "webhook of Zapier": lambda s: {"url": f"https://hooks.zapier.com/hooks/catch/123456/{s}/"},
    },
) + each(
    CHOSEN, {"sqlplus as a list": lambda s: ["sqlplus", f"shop/{s}@db"]}, approvable=False
)  # fmt: skip

NEARLY: dict[str, Json] = {
        "columns of SQL": {"query": "SELECT user, password\nFROM users, accounts"},
        "table about passwords": {"note": "| Login | Password | SSO |\n|---|---|---|\n| web | required | yes |\n"},  # noqa: E501
        "table of tokens": {"note": "| token | meaning |\n|---|---|\n| comma | ends an item |\n| plus | sum |\n"},  # noqa: E501
        "table of settings": {
        "note": "| name | default | what |\n|---|---|---|\n| APP_PASSWORD | none | Its secret |\n| APP_TYPE | Single | x |\n"  # noqa: E501
    },
    "results as CSV": {"content": "suite,pass,fail\nunit,1200,3\nstory,88,0\n"},
        "CSV of tokens used": {"content": "model,token_count\nsmall,128000\n"},
        "imports": {"content": "import secrets, token\nimport os, sys\nfrom auth import password, user\n"},
        "echo into a program": {"command": "echo hello1 | sudo tee /etc/motd; echo ann:x | cut -d: -f1"},
        "sqlplus with a script": {"command": "sqlplus -S / as sysdba @scripts/run.sql; sqlplus /nolog"},
        "image with a digest": {"command": f"docker run acme/app@sha256:{LONG_HEX} exp /srv/data"},
        "PowerShell's variable": {"script": "ConvertTo-SecureString $plain -AsPlainText; echo $pw | sudo -S id"},  # noqa: E501
        "Terraform": {"content": 'variable "db_password" {\n  sensitive = true\n}\nvariable "size" {\n  default = "t3.small"\n}'},  # noqa: E501
        "a name in code with re_": {"content": "re_compiled_pattern_of_everything = 1"},
        "id of a secret": {"command": "aws secretsmanager get-secret-value --secret-id prod/db"},
        "ARN of a secret": ["aws", "x", "--secret-id", "arn:aws:secretsmanager:eu-1:123456789012:secret:prod/db"],  # noqa: E501
        "name of a secret to show": {"command": "pulumi config get --secret dbPassword"},
        "settings of tools": {"command": "aws configure set region eu-1; git config set user.name ann; gh variable set LOG_LEVEL --body debug"},  # noqa: E501
        "secrets of tools": {"command": "docker secret create db_password ./password.txt; vercel env add SECRET production; gh secret list"},  # noqa: E501
        "parameters of tools": {"command": "aws ssm put-parameter --name /prod/db/host --value db1 --type String"},  # noqa: E501
        "users of tools": ["docker", "run", "-itu", "app", "-p", "8080:80", "nginx"],
        "jars of cookies": {"command": "curl -sb jar.txt -c jar.txt https://acme.example"},
        "properties of a build": {"command": "msbuild a.sln /p:Configuration=Release; net user bob /delete; net stop spooler"},  # noqa: E501
        "settings of Redis": {"command": "redis-cli CONFIG SET maxmemory 2gb; vault login -method=oidc role=dev"},  # noqa: E501
        "items of Python": {"code": 'config["region"] = "eu"; row["token_count"] = "12"; os.environ["LOG_LEVEL"] = "debug"'},  # noqa: E501
        "htpasswd without -b": {"command": "htpasswd -B users ann; htpasswd -D users bob"},
}  # fmt: skip
