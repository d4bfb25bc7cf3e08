# Read by CMake when it configures llama.cpp (CMAKE_PROJECT_INCLUDE in .cargo/config.toml).
# Its library of helpers for command lines, chat templates and downloads is more than a third of what would be compiled,
# and nothing here calls it; the binding's default features ask for it all the same.
set(LLAMA_BUILD_COMMON OFF CACHE BOOL "llama: build common utils library" FORCE)

# What builds graphs out of model files, and cuts text into tokens: two thirds of compiling llama.cpp at full optimisation, which it
# does not need. What computes (ggml) keeps its own.
function(credence_build_graphs_soon)
  if(TARGET llama AND NOT MSVC)
    target_compile_options(llama PRIVATE -O1)
  endif()
endfunction()
if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.19)
  cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL credence_build_graphs_soon)
endif()
