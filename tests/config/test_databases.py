from config import databases, env


def test_default_asks_silent_connections_for_a_sign_of_life(monkeypatch) -> None:
    address = "postgres://a:b@127.0.0.1:5/c?keepalives_idle=60"
    monkeypatch.setattr(env, "DATABASE_URL", address)

    options = databases.default()["OPTIONS"]

    assert options["keepalives_idle"] in (60, "60")
    assert options["keepalives_interval"] * options["keepalives_count"] == 15
    assert options["connect_timeout"] == env.DB_CONNECT_TIMEOUT_S
