import pytest

from marketdata.redis_address import celery_broker, layer_host


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379/0",
        "rediss://u:p@host:1/2",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_layer_host_of_an_address_that_redis_py_knows_is_left_to_it(url: str) -> None:
    assert layer_host(url) == {"address": url}


def test_layer_host_of_sentinels_names_them_and_the_service() -> None:
    assert layer_host("redis+sentinel://a:1,b/prices") == {
        "master_name": "prices",
        "sentinels": [("a", 1), ("b", 26_379)],
        "db": 0,
    }


def test_layer_host_of_sentinels_with_login_and_database() -> None:
    assert layer_host("redis+sentinel://me:p%40ss@[::1]:5/prices/3") == {
        "master_name": "prices",
        "sentinels": [("::1", 5)],
        "db": 3,
        "username": "me",
        "password": "p@ss",
    }


@pytest.mark.parametrize("url", ["redis+sentinel:///prices", "redis+sentinel://a:1"])
def test_layer_host_of_sentinels_without_host_or_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected redis\\+sentinel://host:port"):
        layer_host(url)


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://:p@host:1/2", "redis://:p@host:1/2"),
        ("rediss://host/0", "rediss://host/0?ssl_cert_reqs=required"),
        ("rediss://host?db=1", "rediss://host?db=1&ssl_cert_reqs=required"),
        ("rediss://host?ssl_cert_reqs=none", "rediss://host?ssl_cert_reqs=none"),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0"),
        (
            "unix://u:p@/run/r.sock?db=3",
            "redis+socket://u:p@/run/r.sock?virtual_host=3",
        ),
    ],
)
def test_celery_broker_is_the_address_as_celery_writes_it(
    url: str, broker: str
) -> None:
    assert celery_broker(url) == (broker, {})


def test_celery_broker_of_sentinels_names_each_and_the_service() -> None:
    assert celery_broker("redis+sentinel://me:p%40ss@a:1,b/prices/3") == (
        "sentinel://me:p%40ss@a:1/3;sentinel://me:p%40ss@b:26379/3",
        {"master_name": "prices"},
    )
