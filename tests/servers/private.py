"""A private network: an authority, a TLS server that it vouches for, and a proxy that knows the way there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: Resolved by the proxy alone.
HOST = "service.test"
#: What a client of Nod's asks for, told in the way of each service at once.
ANSWER = b'{"ok": true, "team_id": "T1", "user_id": "U1", "value": [], "requests": [], "access_token": "t"}'


@dataclass
class Network:
    """Where things are, and what came there."""

    authority: Path  #: the certificate to trust, in PEM
    port: int  #: of the server, which is HOST and this machine
    proxy: str
    asked: list[str] = field(default_factory=list)  #: request lines that the server got
    connects: list[str] = field(default_factory=list)  #: request lines that the proxy got
    refusal: bytes = b""  #: what the proxy says in place of connecting


@asynccontextmanager
async def private_network(folder: Path) -> AsyncIterator[Network]:
    """A TLS server and a proxy on this machine, until the block ends."""
    authority, chain = _certificates(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    network = Network(authority=authority, port=0, proxy="")

    writers: set[asyncio.StreamWriter] = set()
    talks: set[asyncio.Task[object]] = set()

    def met(writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        if (task := asyncio.current_task()) is not None:
            talks.add(task)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            network.asked.append(head.partition(b"\r\n")[0].decode())
            fields = b"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close" % len(ANSWER)
            writer.write(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + ANSWER)
            await writer.drain()
        writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = await reader.readuntil(b"\r\n\r\n")
            network.connects.append(head.partition(b"\r\n")[0].decode())
            if network.refusal:
                writer.write(network.refusal)
            else:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there, here = await asyncio.open_connection("127.0.0.1", network.port)
                writers.add(here)
                await asyncio.gather(_pipe(reader, here), _pipe(there, writer))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    proxy = await asyncio.start_server(connect, "127.0.0.1", 0)
    network.port = server.sockets[0].getsockname()[1]
    network.proxy = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with server, proxy:
        yield network
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*talks, return_exceptions=True)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _certificates(folder: Path) -> tuple[Path, Path]:
    """The authority's certificate, and the server's with its key."""
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Private CA", HOST)]
    subject = x509.SubjectKeyIdentifier.from_public_key(keys[0].public_key())

    def begun(number: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(names[number])
            .issuer_name(names[0])
            .public_key(keys[number].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject), critical=False
            )
        )

    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    own = begun(0).add_extension(usage, critical=True).add_extension(subject, critical=False)
    served = begun(1).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ip_address("127.0.0.1"))]),
        critical=False,
    )
    pem = serialization.Encoding.PEM
    authority, chain = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(own.sign(keys[0], hashes.SHA256()).public_bytes(pem))
    key = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(key + served.sign(keys[0], hashes.SHA256()).public_bytes(pem))
    return authority, chain
