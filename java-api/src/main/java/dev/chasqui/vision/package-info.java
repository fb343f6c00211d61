/// Images for language models that see: which of an image's tokens a model gets.
///
/// [ImageTokens] is an image as its encoder sees it, a [TokenPruner] chooses rows of it, and [KeptTokens] shows what was chosen. [TileBudget],
/// [TokenScores], [TokenMerger] and [BlockPooling] are what belongs to it: shares of tiles, importance, and rows that are made of several.
@NullMarked
package dev.chasqui.vision;

import org.jspecify.annotations.NullMarked;
