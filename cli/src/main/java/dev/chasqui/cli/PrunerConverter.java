package dev.chasqui.cli;

import dev.chasqui.vision.BuiltInPruner;
import picocli.CommandLine.ITypeConverter;

/// A pruner by its written form.
final class PrunerConverter implements ITypeConverter<BuiltInPruner> {

    @Override
    public BuiltInPruner convert(String key) {
        return VisionOption.pruner(key);
    }
}
