# Passwords and random numbers: libsodium. OpenID Connect: libcurl asks the provider, libcjose checks its tokens (found by
# name: its .pc file wants Jansson's headers, which nothing here needs).
find_package(PkgConfig REQUIRED)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
find_library(CJOSE_LIBRARY cjose REQUIRED)
find_package(OpenSSL REQUIRED)
target_link_libraries(${target} PUBLIC PkgConfig::SODIUM nlohmann_json::nlohmann_json
                      PRIVATE PkgConfig::CURL ${CJOSE_LIBRARY} OpenSSL::Crypto)
