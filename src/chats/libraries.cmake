find_package(PkgConfig REQUIRED)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
target_link_libraries(${target} PUBLIC nlohmann_json::nlohmann_json PRIVATE PkgConfig::UTF8PROC)
