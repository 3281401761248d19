// SPDX-License-Identifier: Apache-2.0

internal import StrictJSON

extension RequestOutcome {
    /// The outcome as one line of JSON with its end, times in seconds; `model` is the name that the
    /// request used.
    package func line(seed: UInt64, model: String) -> [UInt8] {
        var writer = JSONWriter(reserving: 320)
        writer.beginObject()
        writer.key("seed")
        writer.value(Int(clamping: seed))
        writer.key("adapter")
        writer.value(adapter)
        writer.key("model")
        writer.value(model)
        writer.key("tenant")
        writer.value(tenant)
        let times: [(String, Duration?)] = [
            ("arrival", arrival), ("sent", sent), ("first_token", firstToken),
            ("last_token", lastToken), ("ended", ended),
        ]
        for (name, time) in times {
            writer.key(name)
            if let time { writer.value(time.seconds) } else { writer.null() }
        }
        writer.key("prompt_tokens")
        writer.value(promptTokens)
        writer.key("output_tokens")
        writer.value(outputTokens)
        writer.key("requested_tokens")
        writer.value(requestedTokens)
        writer.key("status")
        writer.value(status)
        writer.key("failure")
        writer.value(failure)
        writer.endObject()
        writer.raw("\n")
        return writer.bytes
    }
}
