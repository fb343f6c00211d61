package dev.chasqui.kv;

import java.time.Duration;
import java.util.Optional;

/// What a [SequenceStore] has done since it was opened, and what it holds.
///
/// @param lookups       prompts looked up
/// @param hits          of them, those that found something
/// @param tokensReused  tokens that were not computed again thanks to the store
/// @param timeSaved     estimate: what computing them would have taken at the measured speed of prompts, less what restoring took
/// @param parked        sequences taken in
/// @param ramEntries    sequences in memory
/// @param ramBytes      their bytes
/// @param diskEntries   sequences in files, of those that this store knows
/// @param diskBytes     their bytes
/// @param ramEvictions  sequences that left the memory to make room
/// @param diskEvictions files that this store deleted to make room
/// @param writes        files written
/// @param writeFailures files that could not be written
/// @param damaged       files found damaged, and not used
/// @param lastFailure   what went wrong last
public record StoreStats(
        long lookups,
        long hits,
        long tokensReused,
        Duration timeSaved,
        long parked,
        int ramEntries,
        long ramBytes,
        int diskEntries,
        long diskBytes,
        long ramEvictions,
        long diskEvictions,
        long writes,
        long writeFailures,
        long damaged,
        Optional<String> lastFailure) { }
