/// A chat on the desktop: `app` decides what is done, `engine` has the model and its thread, `conversation` and `settings` what is kept, `markdown` reads
/// answers, `view` shows everything.
@NullMarked
package dev.chasqui.examples.swingchat;

import org.jspecify.annotations.NullMarked;
