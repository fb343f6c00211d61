package dev.chasqui.cli;
final class GgufCommand {}
