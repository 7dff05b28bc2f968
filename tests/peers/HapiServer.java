import ca.uhn.hl7v2.DefaultHapiContext;
import ca.uhn.hl7v2.HL7Exception;
import ca.uhn.hl7v2.app.HL7Service;
import ca.uhn.hl7v2.model.Message;
import ca.uhn.hl7v2.parser.GenericModelClassFactory;
import ca.uhn.hl7v2.protocol.ReceivingApplication;
import ca.uhn.hl7v2.util.idgenerator.InMemoryIDGenerator;
import ca.uhn.hl7v2.validation.impl.ValidationContextFactory;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.Executors;

/**
 * HAPI as a server, as fast as it goes: PipeParser without validation, a pool of threads, nothing stored. Prints
 * `ready` once it listens. Usage: java -cp ... HapiServer.java PORT generic|typed
 */
public class HapiServer {
  public static void main(String[] arguments) throws Exception {
    DefaultHapiContext context = new DefaultHapiContext(Executors.newCachedThreadPool());
    context.getParserConfiguration().setIdGenerator(new InMemoryIDGenerator()); // else it keeps a file here
    context.setValidationContext(ValidationContextFactory.noValidation());
    if (arguments[1].equals("generic")) {
      context.setModelClassFactory(new GenericModelClassFactory());
    }
    HL7Service server = context.newServer(Integer.parseInt(arguments[0]), false);
    server.registerApplication(new ReceivingApplication<Message>() {
      @Override
      public Message processMessage(Message message, Map<String, Object> metadata) throws HL7Exception {
        try {
          return message.generateACK();
        } catch (IOException e) {
          throw new HL7Exception(e);
        }
      }

      @Override
      public boolean canProcess(Message message) {
        return true;
      }
    });
    server.startAndWait();
    System.out.println("ready");
    System.out.flush();
    Thread.currentThread().join();
  }
}
