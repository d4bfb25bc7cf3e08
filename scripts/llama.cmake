# Read by CMake when it configures llama.cpp (CMAKE_PROJECT_INCLUDE in .cargo/config.toml).
# Its library of helpers for command lines, chat templates and downloads is more than a third of what would be compiled,
# and nothing here calls it; the binding's default features ask for it all the same.
set(LLAMA_BUILD_COMMON OFF CACHE BOOL "llama: build common utils library" FORCE)
