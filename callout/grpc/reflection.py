"""Server reflection, v1 and v1alpha: what is served here, and the descriptors of it.

The two versions differ in their package name alone, so one handler answers both, with the
messages and the descriptor look-ups of `grpcio-reflection`. It is an edge: protobuf in and out.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._base import BaseReflectionServicer

from callout.grpc.call import Call, Code, Face, Reply, Status, Streaming

_SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_MALFORMED = Status(Code.INTERNAL, "malformed ServerReflectionRequest")


class _Answers(BaseReflectionServicer):  # type: ignore[misc]  # grpcio-reflection is untyped
    """`grpcio-reflection`'s look-ups, without its servers."""

    def answer(self, request: Any) -> Any:
        match request.WhichOneof("message_request"):
            case "file_by_filename":
                return self._file_by_filename(request, request.file_by_filename)
            case "file_containing_symbol":
                return self._file_containing_symbol(request, request.file_containing_symbol)
            case "file_containing_extension":
                extension = request.file_containing_extension
                return self._file_containing_extension(
                    request, extension.containing_type, extension.extension_number
                )
            case "all_extension_numbers_of_type":
                return self._all_extension_numbers_of_type(
                    request, request.all_extension_numbers_of_type
                )
            case "list_services":
                return self._list_services(request)
        return reflection_pb2.ServerReflectionResponse(
            error_response=reflection_pb2.ErrorResponse(
                error_code=Code.INVALID_ARGUMENT, error_message="no message_request"
            ),
            original_request=request,
        )


def _described(service: str) -> bool:
    try:
        descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return False
    return True


def reflection_faces(services: Sequence[str]) -> tuple[Face, ...]:
    """The faces that answer reflection.

    Args:
        services: full names of the services to list; one without a descriptor in protobuf's
            default pool is left out, because clients ask for the descriptor of all they see.
    """
    answers = _Answers([each for each in (*services, *_SERVICES) if _described(each)])

    async def info(messages: AsyncIterator[bytes], _call: Call) -> AsyncIterator[Reply]:
        async for message in messages:
            try:
                request = reflection_pb2.ServerReflectionRequest.FromString(message)
            except DecodeError:
                yield _MALFORMED
                return
            answer: bytes = answers.answer(request).SerializeToString()
            yield answer

    return tuple(
        Face("reflection", service, (Streaming(f"/{service}/ServerReflectionInfo", info),))
        for service in _SERVICES
    )
