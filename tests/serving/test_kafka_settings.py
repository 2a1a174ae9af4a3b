"""What a Kafka worker is told, without Kafka's library."""

import sys

import pytest

from ser_tl.cli import main
from ser_tl.errors import ConfigError
from ser_tl.serving.kafka_settings import KafkaSettings, read_properties


def test_nothing_that_loses_recordings_can_be_configured():
    settings = KafkaSettings("a:9092,b:9092", properties={"security.protocol": "SSL", "fetch.min.bytes": "10"})
    assert settings.consumer["security.protocol"] == settings.producer["security.protocol"] == "SSL"
    assert settings.consumer["enable.auto.commit"] is False
    assert settings.producer["acks"] == "all"
    for name in ("acks", "enable.auto.commit", "group.id"):
        with pytest.raises(ConfigError, match=name):
            KafkaSettings("a:9092", properties={name: "1"})


@pytest.mark.parametrize("servers", ["", "localhost", "a:9092,b", "a:x"])
def test_an_address_without_a_port_is_told(servers):
    with pytest.raises(ConfigError, match="expected kafka://HOST:9092"):
        KafkaSettings(servers)


def test_properties_are_read_and_secrets_stay_out_of_messages(tmp_path):
    path = tmp_path / "properties"
    path.write_text("# of the cluster\n\nsasl.username = me\nsasl.password=a=b\n")
    assert read_properties(path) == {"sasl.username": "me", "sasl.password": "a=b"}
    assert "a=b" not in repr(KafkaSettings("a:1", properties=read_properties(path)))
    path.write_text("sasl.username=me\nsecret\n")
    with pytest.raises(ConfigError, match="line 2") as caught:
        read_properties(path)
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="can't be read"):
        read_properties(tmp_path / "absent")


@pytest.mark.slow
def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    assert main(["worker", "--broker", "kafka://127.0.0.1:1"]) == 1
    assert 'pip install "ser_tl[kafka]"' in capsys.readouterr().err
