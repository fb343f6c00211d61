/* What jextract reads. The symbols that are taken from it are listed in symbols.txt. */
#include "chasqui.h"
#include "gguf.h"
