@NullMarked
package dev.chasqui.examples.swingchat.app;

import org.jspecify.annotations.NullMarked;
