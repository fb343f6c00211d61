package dev.chasqui.examples.swingchat.settings;

/// The values that a setting may have.
///
/// @param step from one value to the next in a form
public record Range(double low, double high, double step) {

    public double clamp(double value) {
        return Double.isNaN(value) ? low : Math.clamp(value, low, high);
    }

    public int clamp(int value) {
        return (int) clamp((double) value);
    }
}
