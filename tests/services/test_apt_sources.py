"""Sources as Debian's installers, images and administrators write them."""

from services.apt_sources import Source, parse_deb822, parse_one_line, select_mirrors

MIRROR = "http://mirror.example/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_parse_deb822_two_suites_gives_one_source_each():
    text = f"""\
Types: deb
# a comment between fields
URIs: {MIRROR}
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}
"""

    sources = parse_deb822(text)

    components = ("main", "contrib")
    assert sources == [
        Source(MIRROR, "bookworm", components, KEYRING),
        Source(MIRROR, "bookworm-updates", components, KEYRING),
    ]


def test_parse_deb822_continued_fields_are_joined():
    text = f"types: deb deb-src\nuris:\n {MIRROR}\nsuites: sid\ncomponents:\n\tmain\n"

    assert parse_deb822(text) == [Source(MIRROR, "sid", ("main",), None)]


def test_parse_deb822_disabled_or_source_only_is_skipped():
    stanza = f"URIs: {MIRROR}\nSuites: bookworm\nComponents: main\n"
    text = f"Types: deb\nEnabled: no\n{stanza}\nTypes: deb-src\n{stanza}"

    assert parse_deb822(text) == []


def test_parse_deb822_embedded_key_has_no_keyring_path():
    text = f"""\
Types: deb
URIs: {MIRROR}
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBGPL0BUBEADmW5NdOOHwPIJlgPu6JDcKw/NZJPR8lsD3K87ZM18gzyQZJD+w
 -----END PGP PUBLIC KEY BLOCK-----
"""

    assert parse_deb822(text) == [Source(MIRROR, "trixie", ("main",), None)]


def test_parse_one_line_options_and_comment_are_read():
    text = f"""\
# deb {MIRROR} buster main
deb-src {MIRROR} bookworm main
deb [arch=amd64 signed-by={KEYRING}] {MIRROR} bookworm main non-free # note
deb {MIRROR}-b trixie main
"""

    assert parse_one_line(text) == [
        Source(MIRROR, "bookworm", ("main", "non-free"), KEYRING),
        Source(f"{MIRROR}-b", "trixie", ("main",), None),
    ]


def test_parse_one_line_without_suite_is_skipped():
    assert parse_one_line(f"deb {MIRROR}\ndeb\n\n") == []


def test_select_mirrors_leaves_out_security_updates_discs_and_others():
    main = Source(MIRROR, "bookworm", ("main",), KEYRING)
    sources = [
        Source("cdrom:[Debian]/", "bookworm", ("main",), None),
        Source(f"{MIRROR}-security", "bookworm-security", ("main",), KEYRING),
        Source(MIRROR, "bookworm-updates", ("main",), KEYRING),
        Source("http://other.example/ubuntu", "noble", ("main",), None),
        Source("http://tools.example/apt", "stable", ("tools",), None),
        main,
        main,
    ]

    assert select_mirrors(sources) == [main]
