target_link_libraries(${target} PUBLIC nlohmann_json::nlohmann_json)

# Ids are random numbers of libsodium's.
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
target_link_libraries(${target} PRIVATE PkgConfig::SODIUM)
