import com.fasterxml.jackson.databind.ObjectMapper;
import io.strimzi.api.kafka.model.kafka.Kafka;
import io.strimzi.api.kafka.model.nodepool.KafkaNodePool;
import io.strimzi.api.kafka.model.user.KafkaUser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads objects of Strimzi, a JSON object a line, with the classes that its operator reads them with, and writes for each line
 * what these do not know: they keep an unknown field aside instead of refusing it.
 */
public class ReadStrimzi {
    private static final Map<String, Class<?>> KINDS =
            Map.of("Kafka", Kafka.class, "KafkaNodePool", KafkaNodePool.class, "KafkaUser", KafkaUser.class);

    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Class<?> kind = KINDS.get(mapper.readTree(line).get("kind").asText());
            List<String> unknown = new ArrayList<>();
            collect(mapper.readValue(line, kind), "", unknown, new IdentityHashMap<>());
            System.out.println(String.join(" ", unknown));
        }
    }

    private static void collect(Object node, String path, List<String> unknown, IdentityHashMap<Object, Boolean> seen)
            throws IllegalAccessException {
        if (node == null || seen.put(node, true) != null) {
            return;
        }
        if (node instanceof List<?> items) {
            for (int index = 0; index < items.size(); index++) {
                collect(items.get(index), path + "[" + index + "]", unknown, seen);
            }
        } else if (node.getClass().getName().startsWith("io.strimzi.") && !node.getClass().isEnum()) {
            for (Class<?> type = node.getClass(); type != null; type = type.getSuperclass()) {
                collectFields(node, type, path, unknown, seen);
            }
        }
    }

    private static void collectFields(
            Object node, Class<?> type, String path, List<String> unknown, IdentityHashMap<Object, Boolean> seen)
            throws IllegalAccessException {
        for (Field field : type.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers()) || !type.getName().matches("io\\.(strimzi|fabric8\\.kubernetes\\.client)\\..*")) {
                continue;
            }
            field.setAccessible(true);
            Object value = field.get(node);
            if (field.getName().equals("additionalProperties")) {
                if (value instanceof Map<?, ?> extra) {
                    extra.keySet().forEach(key -> unknown.add(path + "." + key));
                }
            } else {
                collect(value, path + "." + field.getName(), unknown, seen);
            }
        }
    }
}
