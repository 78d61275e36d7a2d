"""Which addresses go through the proxy, by `HTTPS_PROXY` and `NO_PROXY`."""

from __future__ import annotations

import pytest

from adapters.http import proxy_for

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", "https://a.test"),
        ("a.test", "https://a.test"),
        ("a.test", "https://b.a.test"),
        (".a.test", "https://b.a.test"),
        ("*.a.test", "https://b.a.test"),
        ("A.Test.", "https://a.test./x"),
        ("x, a.test ,y", "https://a.test:8443"),
        ("a.test:8443", "https://a.test:8443"),
        ("a.test:443", "https://a.test"),
        ("a.test:443", "wss://a.test"),
        ("10.1.2.3", "https://10.1.2.3"),
        ("10.0.0.0/8", "https://10.1.2.3:8443"),
        ("10.1.2.3:8443", "https://10.1.2.3:8443"),
        ("fd00::/8", "https://[fd00::1]"),
        ("fd00::1", "https://[fd00::1]:8443"),
        ("[fd00::1]:443", "https://[fd00::1]"),
        ("10.0.0.0/8", "https://[::ffff:10.0.0.1]"),
        ("", "https://localhost"),
        ("", "https://x.localhost"),
        ("", "https://127.0.0.1:3000"),
        ("", "https://127.8.8.8"),
        ("", "https://[::1]:3000"),
        ("", "http://a.test"),
    ],
)
def test_reached_directly(no_proxy: str, url: str) -> None:
    """Hosts and what is below them, with a port only that one, addresses, networks; this machine always."""
    assert proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("", "https://a.test"),
        ("", "wss://a.test"),
        ("a.test", "https://aa.test"),
        ("a.test", "https://a.test.evil"),
        ("b.a.test", "https://a.test"),
        ("a.test:8443", "https://a.test"),
        ("10.0.0.0/8", "https://11.1.2.3"),
        ("10.0.0.0/8", "https://ten.test"),
        ("10.1.2.3", "https://10.1.2.30"),
        ("1.2.3", "https://10.1.2.3"),
        ("", "https://localhost.evil"),
        (",,", "https://a.test"),
    ],
)
def test_through_the_proxy(no_proxy: str, url: str) -> None:
    assert PROXY == proxy_for(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy})


@pytest.mark.parametrize("value", ["proxy.test:3128", " proxy.test:3128\r", '"http://proxy.test:3128"', PROXY])
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_the_forms_of_a_proxy(name: str, value: str) -> None:
    """Without a scheme, and with what files of variables leave around a value."""
    assert PROXY == proxy_for("https://a.test", {name: value})
