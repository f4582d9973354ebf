"""Pictures in and out; nothing else decodes one."""

from mien.images.files import encode_jpeg, encode_png, find_pictures, save
from mien.images.picture import Picture, load
from mien.images.resize import fit, shrink

__all__ = ["Picture", "encode_jpeg", "encode_png", "find_pictures", "fit", "load", "save", "shrink"]
