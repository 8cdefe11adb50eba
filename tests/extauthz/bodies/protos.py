"""A descriptor set, compiled once."""

import tempfile
from functools import cache
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]

FILES = {
    "books.proto": """
        syntax = "proto3";
        package shop.v1;
        import "parts.proto";
        import "google/protobuf/timestamp.proto";
        enum Kind { KIND_NONE = 0; KIND_NOVEL = 1; }
        message Book {
          string the_title = 1; int64 isbn = 2; bytes cover = 3; Kind kind = 4; float weight = 5;
          google.protobuf.Timestamp at = 6; repeated Book sequels = 7; map<string, int32> stock = 8;
          double price = 9; shop.parts.Part part = 10; int32 pages = 11;
        }
        service Books {
          rpc Get(Book) returns (Book);
          rpc Watch(Book) returns (stream Book);
          rpc Send(stream Book) returns (Book);
        }
        """,
    "parts.proto": """
        syntax = "proto2";
        package shop.parts;
        message Part { required string name = 1; optional string note = 2; }
        """,
    "bare.proto": """
        syntax = "proto3";
        message Nothing {}
        service Bare { rpc Do(Nothing) returns (Nothing); }
        """,
}


@cache
def descriptor_set() -> bytes:
    """All of it, imports included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in FILES.items():
            (folder / file).write_text(text)
        out = folder / "set.pb"
        well_known = Path(protoc.__file__).parent / "_proto"
        arguments = [f"-I{folder}", f"-I{well_known}", "--include_imports"]
        assert protoc.main(["", *arguments, f"--descriptor_set_out={out}", *FILES]) == 0
        return out.read_bytes()


def set_of(data: bytes) -> FileDescriptorSet:
    """Taken apart."""
    return FileDescriptorSet.FromString(data)


def framed(message: bytes, compressed: bool = False) -> bytes:
    """With gRPC's five bytes before it."""
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message
