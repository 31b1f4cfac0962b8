# PCRE2 runs the pre-tokenizer patterns; nlohmann-json reads and writes tokenizer.json; utf8proc normalizes Unicode.
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
target_link_libraries(${target} PUBLIC PkgConfig::PCRE2 PkgConfig::UTF8PROC nlohmann_json::nlohmann_json)
