# cmake -DIN=<openapi.json> -DOUT=<file.cc> -P embed_openapi.cmake: the file as a byte array.
file(READ ${IN} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "// Made from src/serve/api/openapi.json by src/serve/api/embed_openapi.cmake.
#include \"serve/api/openapi.h\"

namespace loquat::serve::api {
namespace {
const unsigned char kText[] = {${bytes}0};
}  // namespace

std::string_view openapi_json() { return {reinterpret_cast<const char*>(kText), ${size}}; }

}  // namespace loquat::serve::api
")
