@NullMarked
package dev.chasqui.examples.swingchat.settings;

import org.jspecify.annotations.NullMarked;
