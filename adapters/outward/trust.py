"""Which certificate authorities are trusted, read once: a process has many HTTP clients, at 40 ms each."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import httpx

from bot.errors import ConfigError

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


def trusted(env: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """What `SSL_CERT_FILE` and `SSL_CERT_DIR` name, and nothing else; without them what the system trusts.

    As OpenSSL has it, so that Nod trusts what everything else on the machine does. A system that has no
    authorities at all trusts those of certifi. Raises ConfigError for a file or folder that cannot be read.
    """
    return _context(_cleaned(env.get(FILE)), _cleaned(env.get(FOLDER)))


@cache
def _context(file: str, folders: str) -> ssl.SSLContext:
    if file or folders:
        return _of(file, folders)
    usual = ssl.get_default_verify_paths()
    if _exists(Path(usual.openssl_cafile)) or _exists(Path(usual.openssl_capath)):
        return ssl.create_default_context(
            cafile=usual.openssl_cafile if _exists(Path(usual.openssl_cafile)) else None,
            capath=usual.openssl_capath if _exists(Path(usual.openssl_capath)) else None,
        )
    return httpx.create_ssl_context(trust_env=False)


def _of(file: str, folders: str) -> ssl.SSLContext:
    for folder in filter(None, folders.split(os.pathsep)):
        if not Path(folder).is_dir():
            raise ConfigError(FOLDER, f"{folder} is no folder", "Name folders of certificates, or unset it.")
    try:
        return ssl.create_default_context(cafile=file or None, capath=folders or None)
    except (OSError, ssl.SSLError) as error:
        what = f"{file} cannot be read as certificates ({type(error).__name__})"
        raise ConfigError(FILE, what, "Name a file of certificates in PEM, or unset it.") from error


def _exists(path: Path) -> bool:
    """Whether there may be authorities: a file with something in it, or a folder with any."""
    try:
        return any(path.iterdir()) if path.is_dir() else path.stat().st_size > 0
    except OSError:
        return False


def _cleaned(value: str | None) -> str:
    return (value or "").strip().strip("\"'")
