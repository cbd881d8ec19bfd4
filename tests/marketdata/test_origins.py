import pytest

from marketdata.origins import is_allowed, is_listed


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "md.example:8080"),
        ("http://md.example:8080", "md.example:8080"),
        ("HTTP://MD.example:8080", "md.EXAMPLE:8080"),
        ("https://md.example", "md.example"),
        ("https://md.example", "md.example:443"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_programs_and_our_own_pages_are_allowed(origin, host):
    assert is_allowed(origin, host, [])


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://md.example", "http://md.example:8081", "null", "",
     "http://md.example:8080.evil.example", "http://md.example:99999", "file://"],
)  # fmt: skip
def test_other_pages_are_refused(origin):
    assert not is_allowed(origin, "md.example:8080", [])


@pytest.mark.parametrize(
    "allowed", ["https://desk.example", "https://Desk.example/", "*"]
)
def test_allowed_origins_are_allowed(allowed):
    assert is_allowed("https://desk.example", "md.example", [allowed])


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("https://a.example.com", "https://*.example.com"),
        ("https://a.b.example.com", "https://*.example.com"),
        ("http://localhost:5173", "http://localhost:*"),
        ("HTTPS://App.Example.com", "https://app.example.com/"),
        ("null", "*"),
    ],
)
def test_is_listed_takes_wildcards_inside_entries(origin, entry):
    assert is_listed(origin, [entry])


@pytest.mark.parametrize(
    ("origin", "entry"),
    [
        ("https://example.com", "https://*.example.com"),
        ("https://evil.com/.example.com", "https://*.example.com"),
        ("https://evil.com:1.example.com", "https://*.example.com"),
        ("https://a.example.com.evil.com", "https://*.example.com"),
        ("https://aXexample.com", "https://a.example.com"),
        ("http://localhost:5173", "http://localhost"),
        ("", "https://*"),
    ],
)
def test_is_listed_lets_a_wildcard_leave_no_host_name(origin, entry):
    assert not is_listed(origin, [entry])
