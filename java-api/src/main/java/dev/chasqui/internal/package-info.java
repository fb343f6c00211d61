/// What the packages of this module share with each other and with nobody else. Not exported.
@NullMarked
package dev.chasqui.internal;

import org.jspecify.annotations.NullMarked;
