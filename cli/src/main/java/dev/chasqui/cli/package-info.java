/// The command line. One class per command; results go to stdout, logs and progress to stderr.
@NullMarked
package dev.chasqui.cli;

import org.jspecify.annotations.NullMarked;
