# A first build on two cores is a matter of minutes. What is here shortens it and changes no result: sources that share their large headers
# compile several at a time, and what is never in a loop over tokens is optimised less. Levels are those of GCC and Clang.

# The sources of a target whose names match compile several at a time, the others one by one.
function(chasqui_unite target pattern batch)
    get_target_property(dir ${target} SOURCE_DIR)
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
        if(NOT source MATCHES "${pattern}")
            set_source_files_properties("${source}" TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
            set_source_files_properties("${dir}/${source}" TARGET_DIRECTORY ${target} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
        endif()
    endforeach()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${batch})
endfunction()

# The sources of a target compile folder by folder; those with options of their own one by one.
function(chasqui_unite_folders target)
    get_target_property(dir ${target} SOURCE_DIR)
    get_target_property(sources ${target} SOURCES)
    foreach(source IN LISTS sources)
        get_filename_component(folder "${source}" DIRECTORY)
        string(MAKE_C_IDENTIFIER "${folder}" group)
        set_source_files_properties("${dir}/${source}" TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${group})
    endforeach()
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
endfunction()

# Sources of a target that are optimised more or less than the others.
function(chasqui_optimise target level)
    get_target_property(dir ${target} SOURCE_DIR)
    list(TRANSFORM ARGN PREPEND "${dir}/")
    set_property(SOURCE ${ARGN} TARGET_DIRECTORY ${target} APPEND PROPERTY COMPILE_OPTIONS ${level})
endfunction()

if(NOT MSVC)
    # one file for each projector, and for each form of a tool call; libllama does so by itself
    chasqui_unite(mtmd models/ 12)
    chasqui_unite(llama-common "parsers/|chat-" 10)

    # A build for sanitizers has its own level.
    if(NOT CHASQUI_SANITIZE)
        # once a message, an image or a model, beside seconds of computing; samplers and drafters, which other programs are measured with, as they were
        target_compile_options(llama-common PRIVATE -O1)
        chasqui_optimise(llama-common -O3 ngram-cache.cpp ngram-map.cpp ngram-mod.cpp reasoning-budget.cpp sampling.cpp speculative.cpp)
        # programs and downloads: nothing that a library does
        chasqui_optimise(llama-common -O0 arg.cpp console.cpp debug.cpp download.cpp hf-cache.cpp preset.cpp)
        chasqui_optimise(cpp-httplib -O0 httplib.cpp)
        chasqui_optimise(llama -O1 llama-model-loader.cpp llama-model-saver.cpp llama-quant.cpp)
        chasqui_optimise(mtmd -O1 mtmd-helper.cpp)
        chasqui_optimise(mtmd -O2 clip.cpp)
    endif()
endif()
