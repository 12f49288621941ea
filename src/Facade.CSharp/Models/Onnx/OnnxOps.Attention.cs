namespace Attribution.Onnx;

// Attention as one operator: as the steps that it stands for.
internal sealed partial class OnnxOps
{
    private Value Attention(OnnxNode node)
    {
        RequireReal(node);
        if (node.Float("softcap", 0) != 0 || node.Outputs.Count > 1 && node.Outputs.Skip(1).Any(o => o != ""))
            throw node.Fault("has a softcap or hands on keys and values, which is not supported");
        if (node.Optional(4) is not null || node.Optional(5) is not null)
            throw node.Fault("takes keys and values of the past, which is not supported");
        var (q, k, v) = (node.Input(0), node.Input(1), node.Input(2));
        var isFlat = q.Rank == 3;
        if (q.Rank is not (3 or 4) || k.Rank != q.Rank || v.Rank != q.Rank)
            throw node.Fault("takes queries, keys and values of 3 or 4 dimensions");
        var (ofQueries, ofKeys) = (node.Int("q_num_heads", 0), node.Int("kv_num_heads", 0));
        Value ByHeads(string name, Value x, long heads)
        {
            if (!isFlat)
                return x;
            if (heads < 1 || x.First.shape[2] % heads != 0)
                throw node.Fault($"has {heads} heads for {x.First.shape[2]} numbers of a token");
            long[] sizes = [x.First.shape[1], heads, x.First.shape[2] / heads];
            var apart = Step(node, $"{name} of heads", Op.NewReshape(sizes), x);
            return Step(node, $"{name} by heads", Op.NewPermute([0, 2, 1, 3]), apart);
        }
        (q, k, v) = (ByHeads("q", q, ofQueries), ByHeads("k", k, ofKeys), ByHeads("v", v, ofKeys));
        if (k.First.shape[1] != q.First.shape[1])
            throw node.Fault(
                $"has {q.First.shape[1]} heads of queries for {k.First.shape[1]} of keys, which is not supported: export it with as many"
            );
        var scale = node.Float("scale", 1 / Math.Sqrt(q.First.shape[3]));
        var scaled = Step(node, "scaled", Op.Multiply, q, Helper(node, "scale", tensor((float)scale)));
        var turned = Step(node, "k turned", Op.NewPermute([0, 1, 3, 2]), k);
        var scores = Step(node, "scores", Op.MatMul, scaled, turned);
        if (node.Optional(3) is { } mask)
        {
            if (!mask.IsReal)
            {
                if (!mask.IsConstant)
                    throw node.Fault("takes a mask that depends on an image");
                var hidden = zeros(mask.First.shape)
                    .masked_fill(mask.First.to(ScalarType.Bool).logical_not(), float.NegativeInfinity);
                mask = Helper(node, "mask", hidden);
            }
            scores = Step(node, "masked", Op.Add, scores, mask);
        }
        if (node.Is("is_causal"))
        {
            var (rows, columns) = (scores.First.shape[2], scores.First.shape[3]);
            var later = ones(rows, columns, dtype: ScalarType.Bool).triu(1);
            var hidden = zeros(rows, columns).masked_fill(later, float.NegativeInfinity);
            scores = Step(node, "causal", Op.Add, scores, Helper(node, "later", hidden));
        }
        var weights = Step(node, "weights", Op.NewSoftmax(3), scores);
        if (!isFlat)
            return Emit(node, Op.MatMul, weights, v);
        var heard = Step(node, "heads", Op.MatMul, weights, v);
        var joined = Step(node, "by token", Op.NewPermute([0, 2, 1, 3]), heard);
        return Emit(
            node,
            Op.NewReshape([joined.First.shape[1], joined.First.shape[2] * joined.First.shape[3]]),
            joined
        );
    }
}
