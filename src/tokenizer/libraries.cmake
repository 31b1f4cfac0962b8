# PCRE2 runs the pre-tokenizer patterns; nlohmann-json reads and writes tokenizer.json.
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
target_link_libraries(${target} PUBLIC PkgConfig::PCRE2 nlohmann_json::nlohmann_json)
