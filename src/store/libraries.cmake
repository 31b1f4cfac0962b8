find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
# toml++ is used as headers alone (toml.cc).
target_link_libraries(${target} PRIVATE ZLIB::ZLIB PkgConfig::ZSTD nlohmann_json::nlohmann_json)
