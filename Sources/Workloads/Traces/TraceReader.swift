// SPDX-License-Identifier: Apache-2.0

/// One request as a trace has it.
package struct TracedRequest: Sendable, Equatable {
    /// When it came, since the first one or the start of the recording.
    package var arrival: Duration

    /// The adapter's index, -1 for the base; `nil` where the trace names none.
    package var adapter: Int?
    package var lengths: LengthPair
    package var observation = RequestObservation()
}

/// Reads a trace request by request: Azure LLM 2023, or lines of JSON as ``TraceLine`` writes them.
/// The first line tells which it is.
package final class TraceReader {
    private enum Format { case azure, lines }

    private static let azureHeader = "TIMESTAMP,ContextTokens,GeneratedTokens"

    private let reader: LineReader
    private let format: Format
    private var firstMoment: Int64?
    private var last = Duration.zero

    package init(_ path: String) throws(WorkloadError) {
        reader = try LineReader(path)
        let first = try reader.next() ?? []
        if first.elementsEqual(Self.azureHeader.utf8) {
            format = .azure
        } else if TraceLine.isHeader(first) {
            format = .lines
        } else {
            throw reader.fault(
                "expected '\(Self.azureHeader)' as Azure LLM 2023 begins, or "
                    + "'\(TraceLine.header)' as a recorded trace does")
        }
    }

    /// The next request, or `nil` behind the last.
    ///
    /// - Throws: where a line is no request, or comes before the one in front of it.
    package func next() throws(WorkloadError) -> TracedRequest? {
        guard let line = try reader.next() else { return nil }
        let request: TracedRequest
        switch format {
        case .azure: request = try azure(line)
        case .lines: request = try TraceLine.read(line, of: reader)
        }
        guard request.arrival >= last else {
            throw reader.fault("it comes before the request in front of it: sort the trace by time")
        }
        last = request.arrival
        return request
    }

    private func azure(_ line: ArraySlice<UInt8>) throws(WorkloadError) -> TracedRequest {
        let row = try CommaRow(line, cells: 3, of: reader)
        let moment = try row.moment(0, "TIMESTAMP", of: reader)
        let first = firstMoment ?? moment
        firstMoment = first
        return TracedRequest(
            arrival: .nanoseconds(moment - first), adapter: nil,
            lengths: LengthPair(
                prompt: try row.tokens(1, "ContextTokens", of: reader),
                output: try row.tokens(2, "GeneratedTokens", of: reader)))
    }
}
