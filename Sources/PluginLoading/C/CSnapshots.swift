// SPDX-License-Identifier: Apache-2.0

import CPolicy
import PolicyKit

/// The size of a struct, as its first field says it.
func size<Value>(of type: Value.Type) -> UInt32 { UInt32(MemoryLayout<Value>.size) }

extension burrow_request {
    init(_ request: RequestSnapshot) {
        self.init(
            size: CPolicySize.request, adapter: request.adapter.rawValue,
            id: request.id.rawValue, tenant: request.tenant.rawValue,
            phase: UInt32(request.phase.rawValue),
            is_adapter_resident: request.isAdapterResident ? 1 : 0,
            adapter_rank: UInt32(clamping: request.adapterRank),
            adapter_weight: request.adapterWeight, tenant_weight: request.tenantWeight,
            arrival_ns: request.arrival.nanoseconds,
            first_token_deadline_ns: request.firstTokenDeadline?.nanoseconds ?? .max,
            prompt_tokens: Int64(request.promptTokens),
            computed_tokens: Int64(request.computedTokens),
            generated_tokens: Int64(request.generatedTokens),
            maximum_tokens: Int64(request.maximumTokens),
            least_tokens: Int64(request.leastTokens), pending_tokens: Int64(request.pendingTokens))
    }
}

extension burrow_limits {
    init(_ limits: BatchLimits) {
        self.init(
            size: CPolicySize.limits, page_tokens: UInt32(clamping: limits.pageTokens),
            requests: Int64(limits.requests), tokens: Int64(limits.tokens),
            undivided_tokens: Int64(limits.undividedTokens), free_pages: Int64(limits.freePages))
    }
}

extension burrow_costs {
    init(_ costs: CostEstimates) {
        self.init(
            size: CPolicySize.costs, reserved: 0, observations: Int64(costs.observations),
            relative_error: costs.relativeError, per_step: costs.perStep,
            per_prompt_token: costs.perPromptToken, per_decode_token: costs.perDecodeToken,
            per_attended_token: costs.perAttendedToken, per_rank_token: costs.perRankToken,
            per_distinct_rank: costs.perDistinctRank, per_merged_step: costs.perMergedStep,
            merge_time: costs.mergeTime?.inSeconds ?? .nan,
            load_per_byte: costs.loadSecondsPerByte ?? .nan, output_share: costs.outputShare)
    }
}

extension burrow_replica {
    init(_ replica: ReplicaSnapshot) {
        self.init(
            size: CPolicySize.replica,
            merged_adapter: replica.mergedAdapter?.rawValue ?? AdapterID.base.rawValue,
            id: Int64(replica.id.rawValue), waiting_requests: Int64(replica.waitingRequests),
            running_requests: Int64(replica.runningRequests),
            pending_prompt_tokens: Int64(replica.pendingPromptTokens),
            pending_output_tokens: Int64(replica.pendingOutputTokens),
            pending_ns: replica.pendingTime.saturatingNanoseconds,
            queue_ns: replica.queueTime.saturatingNanoseconds,
            free_pages: Int64(replica.freePages), total_pages: Int64(replica.totalPages),
            batch_requests: Int64(replica.batchRequests),
            adapter_requests: Int64(replica.adapterRequests),
            adapter_load_ns: replica.adapterLoadTime.saturatingNanoseconds,
            is_adapter_resident: replica.isAdapterResident ? 1 : 0, reserved: 0)
    }
}

extension burrow_resident {
    init(_ adapter: AdapterSnapshot) {
        self.init(
            size: CPolicySize.resident, id: adapter.id.rawValue, bytes: Int64(adapter.bytes),
            last_use_ns: adapter.lastUse.nanoseconds, loaded_at_ns: adapter.loadedAt.nanoseconds,
            uses: Int64(adapter.uses), load_ns: adapter.loadTime.saturatingNanoseconds)
    }
}

extension BatchMode {
    /// The mode and its adapter, as C has them.
    var inC: (mode: UInt32, adapter: UInt32) {
        switch self {
        case .unmerged: (BURROW_UNMERGED.rawValue, AdapterID.base.rawValue)
        case .merged(let adapter): (BURROW_MERGED.rawValue, adapter.rawValue)
        case .mixed(let adapter): (BURROW_MIXED.rawValue, adapter.rawValue)
        }
    }

    init(mode: UInt32, adapter: UInt32) throws(PolicyError) {
        let adapter = AdapterID(rawValue: adapter)
        switch mode {
        case BURROW_UNMERGED.rawValue: self = .unmerged
        case BURROW_MERGED.rawValue: self = .merged(adapter)
        case BURROW_MIXED.rawValue: self = .mixed(adapter)
        default: throw PolicyError("\(mode) is no mode of a batch")
        }
    }
}

extension CScratch<burrow_request> {
    func requests(_ requests: Span<RequestSnapshot>) -> burrow_requests {
        let room = reserve(requests.count)
        for index in requests.indices {
            (room + index).initialize(to: burrow_request(requests[index]))
        }
        return burrow_requests(
            count: UInt64(requests.count), stride: UInt64(MemoryLayout<burrow_request>.stride),
            first: room)
    }
}

extension CScratch<UInt32> {
    func adapters(_ adapters: [AdapterID]) -> burrow_adapters {
        burrow_adapters(
            count: UInt64(adapters.count), first: copy(of: adapters.map(\.rawValue)))
    }
}

/// What an iteration did, in memory that C can read.
final class CStepMemory {
    private let requests = CScratch<burrow_request>()
    private let tokens = CScratch<Int64>()

    /// Valid until the next call.
    func step(_ step: StepObservation) -> burrow_step {
        let (mode, adapter) = step.mode.inC
        return burrow_step(
            size: CPolicySize.step, mode: mode, merged_adapter: adapter, reserved: 0,
            start_ns: step.start.nanoseconds, step_ns: step.stepTime.saturatingNanoseconds,
            merge_ns: step.mergeTime.saturatingNanoseconds,
            prompt_tokens: Int64(step.promptTokens), decode_tokens: Int64(step.decodeTokens),
            served: requests.requests(step.served.span),
            served_tokens: tokens.copy(of: step.servedTokens.map(Int64.init)))
    }
}
