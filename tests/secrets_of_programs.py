"""Secrets in tables, and as single programs take them; and what only looks like it."""

from __future__ import annotations

from bot.protocol import Json
from tests.secrets_kinds import CHOSEN, LONG_HEX, each

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
        "htpasswd without -b": {"command": "htpasswd -B users ann; htpasswd -D users bob"},
}  # fmt: skip
