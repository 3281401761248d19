// SPDX-License-Identifier: Apache-2.0

package import ModelLoading

/// The KV pages of all replicas of a process, with what gates keep beside them.
///
/// Each executor reads and writes the pages that its steps name. A page that a request takes along to
/// another replica changes its owner and stays where it is. Memory lies near the thread that writes
/// a page first.
///
/// Safety of the unchecked conformance: at any time a page belongs to one replica, whose steps follow
/// one another; who hands it on and who takes it over are ordered by the messages between loop and
/// compute threads.
package final class KeyValuePool: @unchecked Sendable {
    package let pageCount: Int
    let cache: KeyValueCache
    /// Keys and values of the pass of the base model that some gates need, in the same pages.
    let scalingCache: KeyValueCache?
    let gateStates: GateStates?

    /// Allocates `configuration.pageCount` pages for all executors with this configuration together.
    package init(
        model: ModelConfiguration, configuration: ExecutorConfiguration
    ) throws(InferenceError) {
        pageCount = configuration.pageCount
        func keysAndValues() throws(InferenceError) -> KeyValueCache {
            try KeyValueCache(
                model: model, type: configuration.keyValueType, pageCount: configuration.pageCount)
        }
        cache = try keysAndValues()
        scalingCache = configuration.keepsScalingPass ? try keysAndValues() : nil
        gateStates =
            configuration.gateStateFloats == 0
            ? nil
            : try GateStates(
                pageCount: configuration.pageCount,
                floatsPerToken: configuration.gateStateFloats)
    }

    package var byteCount: Int {
        cache.byteCount + (scalingCache?.byteCount ?? 0) + (gateStates?.byteCount ?? 0)
    }
}
