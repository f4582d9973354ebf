"""Main keys from where they may come from, and what they wrap."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from mien.errors import InputError, KeyingError, StoreError
from mien.gallery.protection.keys import (
    MainKey,
    key_of_environment,
    new_data_key,
    new_key_file,
    new_salt,
)
from mien.gallery.protection.sealing import AesSeal, subkey

SECRET = bytes(range(32))
TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
PLACE = b"gallery/data key"
posix = pytest.mark.skipif(os.name != "posix", reason="Windows keeps no such bits")


def test_a_key_goes_to_text_and_back_and_shows_itself_nowhere_else() -> None:
    key = MainKey(SECRET)
    assert key.to_text() == TEXT
    assert MainKey.from_text(f" {TEXT}\n") == key
    assert repr(key) == "MainKey()"
    assert MainKey.generate() != MainKey.generate()


@pytest.mark.parametrize("text", ["", "secret!", TEXT[:-4], TEXT + TEXT, TEXT.replace("A", "ä"), "\ud800"])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(KeyingError, match="44 characters") as refused:
        MainKey.from_text(text)
    assert not text or text not in str(refused.value)


def test_a_data_key_is_wrapped_and_unwrapped() -> None:
    key, secret = MainKey(SECRET), new_data_key()
    wrapped = key.wrap(secret, PLACE)
    assert key.unwrap(wrapped, PLACE) == secret
    assert secret not in wrapped
    assert key.wrap(secret, PLACE) != wrapped
    assert MainKey(SECRET).unwrap(wrapped, PLACE) == secret
    assert AesSeal(subkey(SECRET, b"wrap")).open(wrapped, PLACE) == secret


def test_another_key_does_not_open_and_says_what_to_do() -> None:
    wrapped = MainKey(SECRET).wrap(new_data_key(), PLACE)
    with pytest.raises(KeyingError, match=r"does not open this gallery: set \$MIEN_GALLERY_KEY"):
        MainKey.generate().unwrap(wrapped, PLACE)


def test_a_wrapped_key_that_was_changed_or_moved_is_no_wrong_key() -> None:
    key = MainKey(SECRET)
    wrapped = key.wrap(new_data_key(), PLACE)
    with pytest.raises(StoreError, match="another/data key"):
        key.unwrap(wrapped, b"another/data key")
    for at in range(len(wrapped)):
        changed = bytearray(wrapped)
        changed[at] ^= 1
        with pytest.raises(StoreError, match="gallery/data key"):
            key.unwrap(bytes(changed), PLACE)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_keys_have_32_bytes(length: int) -> None:
    with pytest.raises(KeyingError, match=f"32 bytes, not {length}"):
        MainKey(bytes(length))
    with pytest.raises(InputError, match=f"32 bytes, not {length}"):
        MainKey(SECRET).wrap(bytes(length), PLACE)


def test_a_passphrase_is_stretched_by_scrypt() -> None:
    salt = bytes(range(16))
    expected = hashlib.scrypt(b"correct horse", salt=salt, n=2**17, r=8, p=1, maxmem=2**28, dklen=32)
    assert MainKey.from_passphrase("correct horse", salt).secret == expected


def test_a_passphrase_may_be_typed_on_any_system() -> None:
    composed, taken_apart = "caf\u00e9 au lait", "cafe\u0301 au lait"
    salt = new_salt()
    assert MainKey.from_passphrase(composed, salt) == MainKey.from_passphrase(taken_apart, salt)


def test_poor_passphrases_and_salts_are_refused() -> None:
    with pytest.raises(KeyingError, match="8 characters"):
        MainKey.from_passphrase("seven77", new_salt())
    with pytest.raises(InputError, match="16 bytes"):
        MainKey.from_passphrase("correct horse", b"short")
    with pytest.raises(KeyingError, match="no character") as refused:
        MainKey.from_passphrase("correct \ud800 horse", new_salt())
    assert "horse" not in str(refused.value)
    assert new_salt() != new_salt()


def test_a_key_file_is_its_owner_s_and_never_replaced(tmp_path: Path) -> None:
    file = tmp_path / "gallery.key"
    key = new_key_file(file)
    assert MainKey.from_file(file) == key
    assert base64.b64decode(file.read_bytes()) == key.secret
    assert os.name != "posix" or file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyingError, match="stands there already"):
        new_key_file(file)
    assert MainKey.from_file(file) == key
    assert list(tmp_path.iterdir()) == [file]


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_file_that_others_have_a_right_to_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "gallery.key"
    new_key_file(file)
    file.chmod(mode)
    with pytest.raises(KeyingError, match=f"mode {mode:04o}.*chmod 600"):
        MainKey.from_file(file)


def test_a_key_file_that_is_absent_or_holds_something_else(tmp_path: Path) -> None:
    with pytest.raises(KeyingError, match=r"absent\.key: cannot be read"):
        MainKey.from_file(tmp_path / "absent.key")
    file = tmp_path / "other.key"
    new_key_file(file)
    file.write_bytes(b"\xff not a key")
    with pytest.raises(KeyingError, match=r"other\.key: this is no key"):
        MainKey.from_file(file)
    with pytest.raises(KeyingError, match="cannot be made"):
        new_key_file(tmp_path / "nowhere" / "gallery.key")


def test_the_environment_names_a_key_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "gallery.key"
    key = new_key_file(file)
    assert key_of_environment({}) is None
    assert key_of_environment({"MIEN_GALLERY_KEY": "", "MIEN_GALLERY_KEY_FILE": str(file)}) == key
    assert key_of_environment({"MIEN_GALLERY_KEY": TEXT}) == MainKey(SECRET)
    monkeypatch.setenv("MIEN_GALLERY_KEY", TEXT)
    monkeypatch.delenv("MIEN_GALLERY_KEY_FILE", raising=False)
    assert key_of_environment() == MainKey(SECRET)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"MIEN_GALLERY_KEY": TEXT, "MIEN_GALLERY_KEY_FILE": "a.key"}, "both set"),
        ({"MIEN_GALLERY_KEY": "nonsense"}, r"\$MIEN_GALLERY_KEY: this is no key"),
        ({"MIEN_GALLERY_KEY_FILE": "absent.key"}, r"\$MIEN_GALLERY_KEY_FILE: no key could be had"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, str], said: str) -> None:
    with pytest.raises(KeyingError, match=said):
        key_of_environment(settings)
