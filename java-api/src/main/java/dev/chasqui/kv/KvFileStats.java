package dev.chasqui.kv;

/// The file behind a KV cache ([KvCacheOptions]), since the context was made.
///
/// @param fileBytes     of keys and values; 0 = the cache is in memory
/// @param budgetBytes   of these, those that may be in memory
/// @param residentBytes those that are, by the system's count of pages
/// @param mostResident  most that were at once
/// @param loadedBytes   that were brought in again after they had left
/// @param evictedBytes  that left
public record KvFileStats(long fileBytes, long budgetBytes, long residentBytes, long mostResident, long loadedBytes, long evictedBytes) {

    /// Of a cache in memory.
    public static final KvFileStats NONE = new KvFileStats(0, 0, 0, 0, 0, 0);
}
