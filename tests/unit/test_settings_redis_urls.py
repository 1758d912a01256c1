"""Redis URLs are read in every form, said back without the password, and refused with a reason."""

from __future__ import annotations

import pytest

from config.celery_settings import celery_url
from config.secret_url import masked
from threadrun.errors import SettingsInvalid
from threadrun.redis_clients import connect, tls_keywords
from threadrun.redis_urls import RedisAddress


@pytest.mark.parametrize(
    ("url", "same", "celery"),
    [
        ("redis://h", "redis://h:6379/0", "redis://h:6379/0"),
        ("redis://u:p%2Fw@h:1/2", "redis://u:p%2Fw@h:1/2", "redis://u:p%2Fw@h:1/2"),
        ("redis://:pw@[::1]:7/3", "redis://:pw@[::1]:7/3", "redis://:pw@[::1]:7/3"),
        ("redis://h/?db=4", "redis://h:6379/4", "redis://h:6379/4"),
        ("unix:///run/r.sock?db=2", "unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("redis+socket:///run/r.sock?virtual_host=2", "unix:///run/r.sock?db=2", "redis+socket:///run/r.sock?virtual_host=2"),
        ("unix:///r.sock?password=pw", "unix://:pw@/r.sock?db=0", "redis+socket://:pw@/r.sock?virtual_host=0"),
        ("sentinel://a;sentinel://b:1/5", "sentinel://a:26379/5;sentinel://b:1/5", "sentinel://a:26379/5;sentinel://b:1/5"),
        ("sentinel://:pw@a:1;b:2", "sentinel://:pw@a:1/0;sentinel://:pw@b:2/0", "sentinel://:pw@a:1/0;sentinel://:pw@b:2/0"),
        ("rediss://h:1?ssl_cert_reqs=CERT_NONE", "rediss://h:1/0?ssl_cert_reqs=none", "rediss://h:1/0"),
    ],
)  # fmt: skip
def test_a_url_is_read_and_spelt_for_redis_py_and_for_celery(url, same, celery):
    address = RedisAddress.parse(url)
    assert address.url == same
    assert RedisAddress.parse(address.url) == address
    assert celery_url(address) == celery


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("redis+cluster://h", "cluster"),
        ("http://h", "must begin with redis://"),
        ("h:6379", "must begin with redis://"),
        ("redis:///0", "names no host"),
        ("redis://h/one", "the database must be a number"),
        ("redis://:a/b@h", "percent-encode"),
        ("redis://:a#b@h", "percent-encode"),
        ("redis://h?socket_timeout=1", "socket_timeout"),
        ("redis://h?ssl_cert_reqs=none", "use rediss://"),
        ("rediss://h?ssl_cert_reqs=maybe", "required, optional or none"),
        ("unix://relative.sock", "absolute path"),
        ("sentinel://a;redis://b", "must be a sentinel"),
    ],
)
def test_a_url_that_cannot_work_is_refused_with_the_reason(url, reason):
    with pytest.raises(ValueError, match=reason):
        RedisAddress.parse(url)


def test_an_address_shows_everything_but_the_password():
    address = RedisAddress.parse("sentinel://bob:hidden@a:1;b:2/3")
    assert str(address) == "sentinel://bob:***@a:1/3;sentinel://bob:***@b:2/3"
    assert "hidden" not in repr(address)


@pytest.mark.parametrize("url", ["amqp://bob:hidden@h:5672/v", "redis://:hid/den@h", "://hidden", "hidden"])
def test_urls_of_other_kinds_are_masked_too(url):
    assert "hid" not in masked(url)


def test_an_unverified_certificate_switches_off_the_check_of_its_name():
    address = RedisAddress.parse("rediss://h?ssl_cert_reqs=none")
    assert tls_keywords(address) == {"ssl_cert_reqs": "none", "ssl_check_hostname": False}


def test_a_client_of_an_unusable_url_is_refused_without_repeating_it():
    with pytest.raises(SettingsInvalid) as caught:
        connect("redis://:hidden@h/one")
    assert "hidden" not in str(caught.value)


def test_a_client_of_sentinels_asks_for_the_masters_name():
    with pytest.raises(SettingsInvalid, match="master's name"):
        connect("sentinel://a:26379")
