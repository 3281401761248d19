// SPDX-License-Identifier: Apache-2.0

internal import StrictJSON

/// The format of recorded traces: lines of JSON, the first of which names the format. Each other
/// line is `{"at":1500000,"adapter":3,"prompt":374,"output":44}`: nanoseconds since the start,
/// the adapter's index (-1 is the base; left out where nobody knows), tokens. A host adds what it has
/// observed, see ``RequestObservation``.
package enum TraceLine {
    /// The first line.
    package static let header = #"{"format":"burrow-trace/1"}"#

    /// The line of a request, without its end.
    package static func text(of request: PlannedRequest) -> String {
        var writer = JSONWriter(reserving: 80)
        writer.beginObject()
        writer.key("at")
        writer.value(Int(request.arrival.nanoseconds))
        writer.key("adapter")
        writer.value(request.adapter)
        writer.key("prompt")
        writer.value(request.promptTokens)
        writer.key("output")
        writer.value(request.outputTokens)
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    static func isHeader(_ line: ArraySlice<UInt8>) -> Bool {
        guard let value = try? JSONValue(parsing: Array(line)), case .object(let object) = value
        else { return false }
        return object["format"]?.string == "burrow-trace/1"
    }

    static func read(
        _ line: ArraySlice<UInt8>, of reader: LineReader
    ) throws(WorkloadError) -> TracedRequest {
        let object = try object(line, of: reader)
        for member in object.members
        where !["at", "adapter", "prompt", "output"].contains(member.name)
            && !observed.contains(member.name)
        {
            throw reader.fault(
                "unknown key '\(member.name.excerpt(40))': expected at, adapter, prompt, output")
        }
        func integer(
            _ key: String, _ range: ClosedRange<Int>
        ) throws(WorkloadError) -> Int {
            guard let value = object[key]?.exactInteger, range.contains(value) else {
                throw reader.fault(
                    "'\(key)' is \(object[key]?.shown ?? "missing"): expected a whole number from "
                        + "\(range.lowerBound) to \(range.upperBound)")
            }
            return value
        }
        let tokens = 1...1 << 31
        return TracedRequest(
            arrival: .nanoseconds(try integer("at", 0...Int.max)),
            adapter: object["adapter"] == nil ? nil : try integer("adapter", -1...1 << 31),
            lengths: LengthPair(
                prompt: try integer("prompt", tokens), output: try integer("output", tokens)),
            observation: try observation(in: object, of: reader))
    }

    private static func object(
        _ line: ArraySlice<UInt8>, of reader: LineReader
    ) throws(WorkloadError) -> JSONObject {
        do throws(JSONSyntaxError) {
            if case .object(let object) = try JSONValue(parsing: Array(line)) { return object }
        } catch {
            throw reader.fault("\(error.message) (byte \(error.column))")
        }
        throw reader.fault("expected an object as {\"at\":0,\"prompt\":1,\"output\":1}")
    }
}
