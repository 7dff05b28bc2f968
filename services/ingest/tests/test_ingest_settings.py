"""Settings of the MLLP door that keep patients off the wire."""

import pytest
from pydantic import ValidationError

from orloop_ingest.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "site.yaml").write_text("site: x")

    def make(**values):
        return Settings(
            site=tmp_path / "site.yaml",
            mllp_port=0,
            manual_port=0,
            identity_secret="i" * 32,
            payload_key="k",
            **values,
        )

    return make


def test_plaintext_stays_on_this_machine_unless_told_otherwise(settings):
    with pytest.raises(ValidationError, match=r"Expected TLS on 0\.0\.0\.0"):
        settings(mllp_host="0.0.0.0")
    assert settings(mllp_host="0.0.0.0", mllp_plaintext_anywhere=True)
    assert settings(mllp_host="::1")


def test_patience_is_read_by_source(settings):
    assert settings(answer_seconds_by_source="LAB=5, EPIC=30.5").patience == {"LAB": 5.0, "EPIC": 30.5}
    assert settings().patience == {}
    for wrong in ("LAB", "LAB=", "LAB=soon"):
        with pytest.raises(ValidationError, match="Expected SOURCE=SECONDS"):
            settings(answer_seconds_by_source=wrong)


def test_the_journal_lies_in_the_data_folder_unless_it_has_a_volume_of_its_own(settings, tmp_path):
    assert settings(data=tmp_path).journal_folder == tmp_path / "journal"
    assert settings(journal=tmp_path / "volume").journal_folder == tmp_path / "volume"
