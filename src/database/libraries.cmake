find_package(PkgConfig REQUIRED)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
# Public: the tests start and watch a PostgreSQL server of their own.
target_link_libraries(${target} PUBLIC PkgConfig::SQLITE PkgConfig::LIBPQ)
